"""What the players of a fault test saw: whether it is what the source sent, and how late."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.support.capture import Capture, compare_captures
from tests.support.daemons import Daemon
from tests.support.stalls import at, percentile

_SETTLED = 1.0
"""Seconds after the first packet from the source at which the comparison begins: by then every
viewer is past what it got from the history of its node."""


_BEHIND = 2.0
"""Seconds by which a capture may end before that at the source."""


@dataclass(slots=True)
class Outcome:
    """What the players saw of all strikes."""

    faults: list[str] = field(default_factory=list)
    """What is not as it was sent, in words; nothing is good."""
    stalls: list[float] = field(default_factory=list)
    """Seconds, one per strike and viewer."""
    source_stalls: list[float] = field(default_factory=list)
    """The same at a session with the source itself: what the bench adds."""
    packets: int = 0
    """Delivered, over all viewers."""
    lost: int = 0
    """As the client proxies count that live, relays and viewers."""
    least_share: float = 1.0
    """Of the packets that any viewer, or relay that was there from the start, had to get."""

    def check(self) -> None:
        """Fail unless every player got every packet, bit for bit."""
        assert not self.faults, "\n".join([str(self), *self.faults])
        assert self.lost == 0, str(self)

    @property
    def p95(self) -> float:
        """Of the stalls at the players, less that at the source."""
        return percentile(self.stalls, 0.95) - percentile(self.source_stalls, 0.95)

    def __str__(self) -> str:
        def ms(values: Sequence[float]) -> str:
            shares = (percentile(values, share) * 1000 for share in (0.5, 0.95, 1.0))
            return "p50 {:.0f} ms, p95 {:.0f} ms, longest {:.0f} ms".format(*shares)

        return (
            f"{len(self.source_stalls)} strikes, {self.packets} packets, {self.lost} lost; "
            f"stall at the players {ms(self.stalls)}; at the source {ms(self.source_stalls)}"
        )


def counted(client: Daemon) -> tuple[float, float]:
    """Return the packets that a client proxy delivered, and those that it lost."""
    scrape = client.metrics()
    names = ("stripecast_packets_delivered_total", "stripecast_packets_lost_total")
    return scrape.total(names[0]), scrape.total(names[1])


def faults_of(one: Capture, direct: Capture) -> list[str]:
    """Say in what a capture differs from one at the source, once both had begun."""
    begin = _SETTLED + max(
        at(capture, packets[0]) for capture in (one, direct) for packets in capture.rtp.values()
    )
    mine, theirs = _since(one, begin), _since(direct, begin - _SETTLED)
    least = int(0.8 * min(map(len, theirs.rtp.values())))
    verdict = compare_captures(theirs, mine, least=max(least, 1))
    found = [str(track) for track in verdict.tracks.values() if not track.exact]
    found += [f"{kind}: {dict(gaps)}" for kind in one.rtp if (gaps := one.gaps(kind))]
    found += [f"{kind}: nothing at the end" for kind in ended_early(one, theirs)]
    return found if one.closed is None else [*found, f"closed at {one.closed:.1f} s"]


def ended_early(one: Capture, direct: Capture) -> list[str]:
    """Return the tracks that end long before those of the source."""
    last = {kind: at(direct, packets[-1]) for kind, packets in direct.rtp.items()}
    return [kind for kind in last if at(one, one.rtp[kind][-1]) < last[kind] - _BEHIND]


def _since(capture: Capture, begin: float) -> Capture:
    kept = {
        kind: [packet for packet in packets if at(capture, packet) >= begin]
        for kind, packets in capture.rtp.items()
    }
    return Capture(began=capture.began, rtp=kept)

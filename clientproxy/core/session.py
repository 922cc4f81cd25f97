"""The state of one RTSP session of a player (RFC 2326, A.2).

Rules
-----
1. A method that the table does not allow in a state is refused with 455; nothing has changed then.
2. A session carries all its tracks the same way: over UDP, or on one connection.
3. What shows that its player lives is told by `seen`; without it for `timeout` seconds, and a
   grace for late ones, it has expired, unless an RTSP connection still belongs to it. Players send
   their keep-alive as late as `timeout - 2`.
"""

import enum
from collections.abc import Collection, Iterable, Sequence
from types import MappingProxyType
from typing import NamedTuple

from common.errors import RtspError
from common.rtsp.headers import MAX_CHANNEL, Lower, Offer

SESSION_TIMEOUT = 60.0
"""Seconds without a sign of life: the `timeout` of the Session header."""
_GRACE = 5.0
DESERTED_AFTER = 1.0
REFUSED_AGAIN = 2.5
"""Seconds within which a port refuses again: hosts may send one such message a second."""


class State(enum.Enum):
    """States of a session."""

    INIT = "init"
    READY = "ready"
    PLAYING = "playing"
    ENDED = "ended"


TRANSITIONS = MappingProxyType(
    {
        (State.INIT, "SETUP"): State.READY,
        (State.READY, "SETUP"): State.READY,
        (State.READY, "PLAY"): State.PLAYING,
        (State.PLAYING, "PLAY"): State.PLAYING,
        (State.PLAYING, "PAUSE"): State.READY,
        (State.INIT, "TEARDOWN"): State.ENDED,
        (State.READY, "TEARDOWN"): State.ENDED,
        (State.PLAYING, "TEARDOWN"): State.ENDED,
    }
)


class Delivery(NamedTuple):
    """How one track reaches the player."""

    lower: Lower
    pair: tuple[int, int]
    """For RTP and RTCP: the player's ports, or channels of the connection."""
    spec: str
    """The transport as the player named it."""


class _Refusals(NamedTuple):
    """Since when a port refuses what is sent to it, and when it last did."""

    first: float
    last: float


class Session:
    """One session: its state, the tracks that are set up, when its player was last seen."""

    def __init__(self, ident: str, now: float, timeout: float = SESSION_TIMEOUT) -> None:
        self.ident = ident
        self.state = State.INIT
        self.deliveries: dict[int, Delivery] = {}
        self._timeout = timeout
        self._seen = now
        self._refusals: dict[int, _Refusals] = {}

    @property
    def lower(self) -> Lower | None:
        """What carries the tracks; None before the first SETUP."""
        return next((d.lower for d in self.deliveries.values()), None)

    def allow(self, method: str) -> State:
        """Return the state that a method leads to. Raises RtspError(455)."""
        after = TRANSITIONS.get((self.state, method))
        if after is None:
            raise RtspError(455, f"{method} in state {self.state.value}")
        return after

    def apply(self, method: str) -> None:
        """Move to the state that a method leads to. Raises RtspError(455)."""
        self.state = self.allow(method)

    def choose(self, track: int, offers: Sequence[Offer], taken: Collection[int]) -> Delivery:
        """Return how a track can be delivered; nothing changes before `setup`.

        `taken` are the channels of the connection that other sessions use. Raises RtspError: 455,
        or 461 where none of the player's offers can be served.
        """
        self.allow("SETUP")
        others = {index: d for index, d in self.deliveries.items() if index != track}
        lower = next((d.lower for d in others.values()), None)
        offer = next((o for o in offers if lower in {None, o.lower}), None)
        if offer is None:
            raise RtspError(461, "no transport that can be served")
        used = {number for d in others.values() for number in d.pair}
        return Delivery(offer.lower, _choose_pair(offer, used, taken), offer.spec)

    def setup(self, track: int, delivery: Delivery) -> None:
        """Deliver a track so from now on. Raises RtspError(455)."""
        self.apply("SETUP")
        self.deliveries[track] = delivery

    def seen(self, now: float) -> None:
        """Note a sign of life: a request with its id, or RTCP of its player."""
        self._seen = max(self._seen, now)
        self._refusals.clear()

    def refused(self, track: int, now: float) -> None:
        """Note that a track's port has refused a packet."""
        known = self._refusals.get(track)
        again = known is not None and now - known.last <= REFUSED_AGAIN
        self._refusals[track] = _Refusals(known.first if known and again else now, now)

    def deserted(self, now: float) -> bool:
        """Say whether the ports of all tracks have refused what was sent for long enough."""
        return bool(self.deliveries) and all(
            (one := self._refusals.get(track)) is not None
            and one.last - one.first >= DESERTED_AFTER
            and now - one.last <= REFUSED_AGAIN
            for track in self.deliveries
        )

    def expired(self, now: float) -> bool:
        """Say whether the player has been silent for too long."""
        return now - self._seen > self._timeout + _GRACE


def _choose_pair(offer: Offer, used: set[int], taken: Collection[int]) -> tuple[int, int]:
    """Return the pair of ports or channels; free channels where the player's are in use."""
    if offer.lower is Lower.UDP:
        if offer.pair is None or not used.isdisjoint(offer.pair):
            raise RtspError(461, "client ports of another track")
        return offer.pair
    used |= set(taken)
    if offer.pair is not None and used.isdisjoint(offer.pair):
        return offer.pair
    return _free_channels(used)


def _free_channels(used: Iterable[int]) -> tuple[int, int]:
    busy = set(used)
    for channel in range(0, MAX_CHANNEL, 2):
        if busy.isdisjoint((channel, channel + 1)):
            return (channel, channel + 1)
    raise RtspError(461, "all channels of the connection are in use")

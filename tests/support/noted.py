"""Links without sockets, by a clock that stands still: they take note of what is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from common.fields import PathEntry
from common.frame import FrameReader, FrameType, Packet, Received, encode
from common.ids import ROOT, NodeId, Stripe
from common.messages import Message
from common.runtime.link import Idle, Link
from common.stripelog import StripeLog


@dataclass(eq=False)
class Call:
    """What is to be called at some time (`asyncio.TimerHandle`)."""

    when: float
    function: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """Stands for the event loop: nothing here waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._calls: list[Call] = []
        monkeypatch.setattr("asyncio.get_running_loop", lambda: self)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, function: Callable[[], object]) -> Call:
        self._calls.append(call := Call(when, function))
        return call

    def go(self, seconds: float) -> None:
        """Let time pass, and call what falls due meanwhile."""
        until = self.now + seconds
        while due := [one for one in self._calls if one.when <= until and not one.cancelled]:
            first = min(due, key=lambda one: one.when)
            self._calls.remove(first)
            self.now = max(self.now, first.when)
            first.function()
        self.now = until


class NotedLink(Link):
    """A link, and what its peer was sent."""

    def __init__(self) -> None:
        super().__init__(Idle())
        self.messages: list[Message] = []
        self.why: str | None = None
        """Why it has ended."""
        self._written: list[bytes] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def write(self, data: bytes) -> None:
        self._written.append(data)

    def taken(self) -> Received:
        """Return the frames that were written since the last time."""
        written, self._written = self._written, []
        return FrameReader().feed(b"".join(written))

    def kinds(self) -> list[FrameType]:
        """Return what was written besides data since the last time."""
        return [kind for kind, _ in self.taken().control]

    def close(self, reason: str = "closed") -> None:
        self.closed, self.why = True, reason

    def abort(self, reason: str) -> None:
        self.close(reason)


class Above:
    """What a parent knows of its own place (`childfeed.Upstream`)."""

    def __init__(self, *path: str) -> None:
        self.entries: tuple[PathEntry, ...] | None = tuple(
            PathEntry(node, ()) for node in (ROOT, *path)
        )
        self.keyframe = 0
        self.lost: list[tuple[NodeId, str]] = []

    def path(self, stripe: Stripe) -> Sequence[PathEntry] | None:
        return self.entries

    def starved(self, stripe: Stripe) -> bool:
        return self.entries is None

    def newest_keyframe(self) -> int:
        return self.keyframe

    def accepts(self, group_key: str) -> bool:
        return True

    def delay(self) -> float:
        return 0.0

    def fields(self, stripe: Stripe, child: NodeId) -> Mapping[str, object]:
        return {"channel": "cam", "stripe": stripe, "node": child}

    def sent(self, stripe: Stripe, node: NodeId, data: bytes) -> None:
        pass

    def child_taken(self, stripe: Stripe, node: NodeId) -> None:
        pass

    def child_lost(self, stripe: Stripe, node: NodeId, reason: str) -> None:
        self.lost.append((node, reason))


def fill(log: StripeLog, first: int, last: int, *, every: float = 0.01, size: int = 1000) -> None:
    """Append packets `first` to `last`, one each `every` seconds of capture time."""
    numbers = range(first, last + 1)
    packets = [Packet(seq, int(seq * every * 1e6), 0, 0, bytes(size)) for seq in numbers]
    log.append(packets, [encode(packet) for packet in packets])

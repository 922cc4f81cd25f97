"""What is measured: what each node delivers, and how the trees stand."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.frame import Packet

STALL = 0.1
"""Seconds beyond the gap of the capture times from which a pause is a stall."""


class Meter:
    """Takes the place of a player (`events.Viewer`)."""

    __slots__ = (
        "_at", "_captured", "_epoch_us", "_loop", "delay_most", "delay_sum", "end", "first_at",
        "live", "restarts", "stalls",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch_us: int) -> None:
        self.first_at: float | None = None
        self.live = 0
        """Packets that came after the first batch."""
        self.delay_sum = self.delay_most = 0.0
        """Of the live packets, seconds from capture to delivery."""
        self.stalls: list[tuple[float, float]] = []
        """Time at which a pause ended, and its seconds beyond the gap of the capture times."""
        self.restarts = 0
        self.end: str | None = None
        self._loop, self._epoch_us = loop, epoch_us
        self._at = self._captured = 0.0

    def packets(self, batch: Sequence[Packet]) -> None:
        """Conform to Viewer."""
        now, count = self._loop.time(), len(batch)
        captured = (batch[-1].capture_us - self._epoch_us) / 1e6
        if self.first_at is None:
            self.first_at = now
        else:
            first = (batch[0].capture_us - self._epoch_us) / 1e6
            stall = now - self._at - (first - self._captured)
            if stall > STALL:
                self.stalls.append((now, stall))
            self.live += count
            self.delay_sum += (now - captured) * count
            self.delay_most = max(self.delay_most, now - captured)
        self._at, self._captured = now, captured

    def source_restarted(self) -> None:
        """Conform to Viewer."""
        self.restarts += 1

    def ended(self, reason: str) -> None:
        """Conform to Viewer."""
        self.end = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of one node at the end of its life, or of the run."""

    name: str
    born_at: float
    gone_at: float | None
    """None: it was there to the end."""
    parents_after: float | None
    """Seconds until every stripe had a parent; None: never."""
    first_after: float | None
    """Seconds until the first packet was delivered."""
    delivered: int
    lost: int
    """Given up by its merge, or more than `LATE` seconds old at the end and not delivered."""
    delay_mean: float
    delay_most: float
    stalls: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How the trees stood at one time."""

    at: float
    nodes: int
    heights: tuple[int, ...]
    """Greatest depth per stripe, of nodes with a way up to the server proxy."""
    orphans: int
    """Places (node and stripe) that have lost their parent."""
    oldest_orphan: float
    """Seconds."""
    moves: int
    """Parents changed so far."""
    root_messages: int
    """Control messages that the server proxy has taken and sent so far."""


@dataclass(slots=True)
class Results:
    """All of one run."""

    records: list[Record] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from the end of a parent until there was another, one for each child and stripe."""

    @property
    def delivery(self) -> float:
        """Delivered of all packets that nodes should have had."""
        delivered = sum(one.delivered for one in self.records)
        lost = sum(one.lost for one in self.records)
        return delivered / max(1, delivered + lost)

    @property
    def oldest_orphan(self) -> float:
        """Longest time without a parent, seconds."""
        return max((one.oldest_orphan for one in self.looks), default=0.0)


LATE = 3.0
"""Seconds after which a packet that has not been delivered counts as lost."""

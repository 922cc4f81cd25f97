"""What a merged feed counts: packets, how long each took, and where they stopped for a while."""

from bisect import bisect_left
from dataclasses import dataclass, field

from common.runtime.metrics import Buckets, Histogram, cumulative

DELAY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the delay histogram, seconds; beyond the last is +Inf."""
STALL = 0.1
"""Seconds by which the delay grows from one packet to the next where that is a stall."""
STALL_BUCKETS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of stalls, seconds; beyond the last is +Inf."""


@dataclass(slots=True)
class FeedStats:
    """Counts since the start."""

    delivered: int = 0
    """RTP and RTCP packets delivered in order."""
    lost_before: int = 0
    """Packets lost in merges that have ended (server proxy restarted)."""
    delay: float = 0.0
    """Seconds from capture to delivery of the newest packet."""
    delay_counts: list[int] = field(default_factory=lambda: [0] * (len(DELAY_BUCKETS) + 1))
    delay_sum: float = 0.0
    stalls: Histogram = field(default_factory=lambda: Histogram(STALL_BUCKETS))
    """By how much the delay grew from one packet to the next, where that was a stall: a source that
    pauses stalls nobody."""
    _follows: bool = False

    def begin(self) -> None:
        """Note that the next packet follows no other: however late it is, nobody has waited."""
        self._follows = False

    def deliver(self, count: int, first: float, last: float) -> None:
        """Count packets delivered together, and the seconds that the first and last one took."""
        if self._follows and first - self.delay >= STALL:
            self.stalls.observe(first - self.delay)
        self._follows = True
        self.delay = max(0.0, last)
        self.delivered += count
        self.delay_counts[bisect_left(DELAY_BUCKETS, self.delay)] += count
        self.delay_sum += self.delay * count

    @property
    def delay_buckets(self) -> Buckets:
        """The delay of every packet."""
        return cumulative(DELAY_BUCKETS, self.delay_counts, self.delay_sum)

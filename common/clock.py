"""The group clock: Unix time at the server proxy's start, carried on by its monotonic clock.

A node estimates it from four-timestamp exchanges (RFC 5905, 8) and trusts the one with the least
round trip among the last eight, whose asymmetry is least.
"""

from collections import deque

_SAMPLES = 8
_STEP_US = 1_000_000
"""Microseconds by which two estimates never differ, beyond their uncertainty, but by a step."""
MAX_CLOCK_STEP = 86_400
"""Seconds ahead of the group clock at which a server process may begin to number, and no more.

Its clock may have been set back since the process before it began.
"""


class GroupClock:
    """Estimate of the group clock from a local monotonic one. All times are microseconds."""

    __slots__ = ("_samples", "offset_us")

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=_SAMPLES)
        self.offset_us = 0
        """Group time less local time."""

    @property
    def synchronized(self) -> bool:
        """At least one exchange was taken."""
        return bool(self._samples)

    @property
    def uncertainty_us(self) -> int:
        """By how much the offset may be wrong: half a round trip."""
        return min(self._samples)[0] // 2 if self._samples else 0

    def exchange(self, sent_us: int, received_us: int, replied_us: int, now_us: int) -> None:
        """Take one exchange: sent and back by the local clock, received and replied by the group's.

        An exchange that ends before it began is ignored: it is not ours. One that contradicts those
        before it replaces them: a local clock stands still while its machine sleeps.
        """
        round_trip = (now_us - sent_us) - (replied_us - received_us)
        if now_us < sent_us or round_trip < 0:
            return
        offset = ((received_us - sent_us) + (replied_us - now_us)) // 2
        if abs(offset - self.offset_us) > round_trip // 2 + self.uncertainty_us + _STEP_US:
            self._samples.clear()
        self._samples.append((round_trip, offset))
        self.offset_us = min(self._samples)[1]

    def restart(self) -> None:
        """Forget all exchanges: another server process has another clock."""
        self._samples.clear()

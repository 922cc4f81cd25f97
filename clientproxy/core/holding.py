"""What a node holds of one stripe: its log, and where the numbers in it leapt.

Rules
-----
1. What a parent sends is taken if `arrivals` finds nothing wrong with it, each number once.
2. Before the first packet the head of the merge says what is held: the next to be delivered.
3. What begins later than asked is a hole. What was never sent (`ahead`) is forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clientproxy.core.ahead import Leaps
from clientproxy.core.arrivals import MAX_JUMP, check_numbers, missing, most_missing
from common.frame import FrameType, Packet, Received
from common.ids import Stripe
from common.stripelog import StripeLog

_DATA = int(FrameType.DATA)
"""Compared with for each packet: an attribute of an enum costs more than all else there."""


@dataclass(slots=True)
class StripeStats:
    """Counts of one stripe."""

    received_bytes: int = 0
    """RTP and RTCP bytes in data frames."""
    received: int = 0
    holes: int = 0
    """Packets that no parent had any more."""


class Holding:
    """One stripe of one node. `head` is everywhere the next number that its merge delivers."""

    __slots__ = ("_leaps", "_stripe", "_stripes", "log", "stats")

    def __init__(self, stripe: Stripe, stripes: int, *, max_bytes: int, max_age: float) -> None:
        """Begin with an empty log, which keeps so much, in a channel of so many stripes."""
        self._stripe, self._stripes = stripe, stripes
        self.log = StripeLog(max_bytes=max_bytes, max_age=max_age)
        self.stats = StripeStats()
        self._leaps = Leaps()

    @property
    def newest(self) -> int:
        """Newest sequence number that is held, 0 before the first."""
        return self.log.newest or 0

    def wanted(self, head: int, logs_from: int = 0) -> int:
        """Return the first number that is lacking; the log begins at `logs_from`, if not 0."""
        if self.log.newest is not None:
            return self.log.newest + 1
        return max(self.log.floor, min(head, logs_from or head))

    def take(
        self, received: Received, *, head: int, begins: int, group_time_us: int
    ) -> Sequence[Packet]:
        """Take what a parent sent; return what is new.

        `begins` is the first number of the present server process. Raises BadFrameError for numbers
        that cannot be.
        """
        newest, packets = self.log.newest or 0, received.packets
        known = max(newest, head, begins)
        near = packets and packets[-1].seq <= known + MAX_JUMP
        check_numbers(
            packets,
            self._stripe,
            stripes=self._stripes,
            known=known,
            jump=MAX_JUMP if near else self._jump(group_time_us),
            group_time_us=group_time_us,
        )
        held = newest or head
        new = self.log.append(packets, received.frames)
        if new:
            self._leaps.rose(held, new[-1].seq, group_time_us)
            self.stats.received += len(new)
            sizes = [len(packet.payload) for packet in new if packet.type == _DATA]
            self.stats.received_bytes += sum(sizes)
        return new

    def hole(self, first: int, *, head: int, begins: int, group_time_us: int) -> int:
        """Return how many packets are missing before `first`; BadMessageError if it is absurd."""
        return missing(
            first,
            expected=head if self.log.newest is None else self.log.newest + self._stripes,
            begins=begins,
            stripes=self._stripes,
            jump=self._jump(group_time_us),
        )

    def _jump(self, group_time_us: int) -> int:
        return most_missing(self.log.newest_capture_us or group_time_us, group_time_us)

    def goes_on_at(self, first: int, *, head: int, group_time_us: int) -> None:
        """Note that the next packets come from a new parent, from `first` on."""
        if self.log.newest is None:
            # Whoever asks before a packet is here must not hope for older ones.
            floor = first + (self._stripe - first) % self._stripes
            self.log.floor = max(self.log.floor, floor)
        self._leaps.rose(self.newest or head, first, group_time_us)

    def leapt(self, newest: int) -> bool:
        """Return whether numbers leapt over what a parent has come to."""
        return self._leaps.over(newest)

    def begin_anew(self, head: int) -> None:
        """Forget all that is held, as it was never sent: it goes on at `head`."""
        self._leaps.forget()
        self.log.clear()
        self.log.floor = head

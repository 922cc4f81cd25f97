"""Merge the stripes of a channel back into one sequence.

Rules
-----
1. A packet leaves exactly once: in order, or never (late, duplicate).
2. A gap is waited for at most `timeout` seconds, counted from the arrival of the first packet
   behind it. The hole then counts as lost and the head moves on.
3. Another server process numbers on with a jump, and marks its first frame of each stripe. What is
   between is no loss. Once every stripe is there nothing older can come any more: the head follows.
4. Before all stripes have a parent nothing leaves: one of them may have to begin later.
5. At most `capacity_bytes` are held: payloads, and `PACKET_COST_BYTES` for each packet, or empty
   ones would cost nothing. Overflow gives up the oldest gap first.

No clock is read here: the caller passes `now`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from common.frame import FLAG_FIRST, Packet

PACKET_COST_BYTES = 256
"""What a held packet takes besides its payload, about."""


@dataclass(slots=True)
class ReorderStats:
    """Counts since the start."""

    delivered: int = 0
    lost: int = 0
    late: int = 0
    """Arrived after their hole was given up, or twice."""


class Reorder:
    """The merge of one channel. `head` is the next sequence number to leave."""

    __slots__ = (
        "_begins", "_begun", "_capacity", "_held", "_held_bytes", "_marks", "_order", "_stripes",
        "_timeout", "_wanted", "head", "stats",
    )  # fmt: skip

    def __init__(
        self,
        *,
        head: int,
        timeout: float,
        capacity_bytes: int,
        stripes: int = 1,
        begun: bool = True,
    ) -> None:
        """Start with sequence number `head`; wait `timeout` seconds for a missing packet.

        The packets of each of the `stripes` come in order. Without `begun` nothing leaves until
        `begin` or the end of a wait.
        """
        self.head = self._wanted = head
        """`_wanted`: where the merge begins; older packets are for the log alone."""
        self._begun = begun
        self.stats = ReorderStats()
        self._timeout, self._capacity = timeout, capacity_bytes
        self._held: dict[int, tuple[Packet, float]] = {}
        self._order: list[int] = []
        """Heap of the held sequence numbers."""
        self._stripes = stripes
        self._begins = head
        """First number of the newest server process; what lacks just before was never given."""
        self._marks: set[int] = set()
        """First frames of the newest server process, of those stripes that have come there."""
        self._held_bytes = 0

    def wait(self, *, timeout: float, capacity_bytes: int) -> None:
        """Wait so long for what is missing, and hold so much, from now on."""
        self._timeout, self._capacity = timeout, capacity_bytes

    @property
    def held(self) -> int:
        """Packets that wait behind a gap."""
        return len(self._held)

    def push(self, packets: Sequence[Packet], now: float) -> list[Packet]:
        """Take packets of any stripe; return every packet that is now in order."""
        held, order, out = self._held, self._order, list[Packet]()
        head, size = self.head, self._held_bytes
        for packet in packets:
            seq = packet.seq
            if seq == head and self._begun:
                out.append(packet)
                head += 1
                while head in held:
                    waiting, _ = held.pop(head)
                    size -= len(waiting.payload)
                    out.append(waiting)
                    head += 1
            elif seq < head or seq in held:
                self.stats.late += seq >= self._wanted
            else:
                held[seq] = (packet, now)
                heappush(order, seq)
                size += len(packet.payload)
                if packet.flags & FLAG_FIRST:
                    self._begin(seq)
        self.head, self._held_bytes = head, size
        self._pass_over()
        self.stats.delivered += len(out)
        if len(self._marks) == self._stripes:
            out += self._jump()
        while self._held_bytes + len(held) * PACKET_COST_BYTES > self._capacity:
            out += self._give_up()
        return out

    def next_deadline(self) -> float | None:
        """Return when the oldest gap is to be given up; None without one."""
        for _, arrived in self._held.values():
            return arrived + self._timeout
        return None

    def expire(self, now: float) -> list[Packet]:
        """Give up the gaps whose time is over; return the packets that were behind them."""
        out: list[Packet] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            out += self._give_up()
        return out

    def skip_to(self, head: int) -> list[Packet]:
        """Begin at `head` at the earliest, counting nothing: what is before it was never asked for.

        For the time before the first delivery, when a parent's log begins later than asked.
        """
        for seq in [seq for seq in self._held if seq < head]:
            self._held_bytes -= len(self._held.pop(seq)[0].payload)
        self.head = self._wanted = max(self.head, head)
        self._pass_over()
        return self._run() if self._begun else []

    def begin(self) -> list[Packet]:
        """Let packets leave from now on; return those that are in order already."""
        self._begun = True
        return self._run()

    def skip_unused(self, begins: int) -> None:
        """Count no number below `begins` as lost: another server process has begun there."""
        self._begins = max(self._begins, begins)

    def _give_up(self) -> list[Packet]:
        self._begun, first = True, self._order[0]
        if first == self.head:
            return self._run()  # it has only waited for a beginning
        self.stats.lost += first - (self._begins if self._unused(first) else self.head)
        self.head = first
        return self._run()

    def _unused(self, first: int) -> bool:
        """Whether the hole before `first` reaches back to before another server process."""
        return self.head < self._begins <= first

    def _begin(self, seq: int) -> None:
        """Note the first frame of a stripe from another server process."""
        newest = max(self._marks, default=-self._stripes)
        if seq - newest >= self._stripes:
            self._marks.clear()
        if newest - seq < self._stripes:
            self._marks.add(seq)
            self._begins = max(self._begins, seq)

    def _jump(self) -> list[Packet]:
        """Go on with the numbers of another server process; what is held of the old one leaves."""
        out, begins = list[Packet](), min(self._marks)
        self._marks.clear()
        while self._order and self._order[0] < begins:
            out += self._give_up()
        self.head = max(self.head, begins)
        return out + self._run()

    def _run(self) -> list[Packet]:
        out = []
        while self.head in self._held:
            packet, _ = self._held.pop(self.head)
            self._held_bytes -= len(packet.payload)
            out.append(packet)
            self.head += 1
        self._pass_over()
        self.stats.delivered += len(out)
        return out

    def _pass_over(self) -> None:
        while self._order and self._order[0] < self.head:
            heappop(self._order)

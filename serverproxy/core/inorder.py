"""Put the RTP packets of one track in order by their 16-bit RTP sequence number.

Rules
-----
1. A packet leaves exactly once: in order, or never (late, duplicate).
2. A gap is waited for at most `hold` seconds, counted from the arrival of the packet behind it.
   What does not come by then is the source's loss; it is counted in `skipped`.
3. At most `capacity` packets are held; overflow gives up the oldest gap first.
4. Another SSRC is a source that began anew: what is held leaves, and the count begins there.
5. So are two packets in sequence whose numbers are further off than any reordering explains
   (RFC 3550, A.1). A single one is a stray: it waits for its successor, and is late if another
   packet comes first.
"""

from collections import deque

from common import rtp
from common.seqnum import distance16

MAX_DROPOUT = 3000
MAX_MISORDER = 100


class InOrder:
    """One track's reorder buffer. `next_deadline` says when `expire` has something to do."""

    def __init__(self, *, hold: float = 0.05, capacity: int = 512) -> None:
        self._hold, self._capacity = hold, capacity
        self._held: dict[int, tuple[bytes, float]] = {}
        """Packets behind a gap, in order of arrival: sequence number -> packet, arrival."""
        self._given_up: deque[int] = deque(maxlen=MAX_MISORDER)
        self._stray: bytes | None = None
        self._ssrc: bytes | None = None
        self._expected = 0
        self.reordered = 0
        """Packets that had to wait for one before them, which came."""
        self.late = 0
        """Packets that came after their gap was given up, and strays."""
        self.duplicates = 0
        self.skipped = 0
        """Numbers that were given up."""

    def push(self, packet: bytes, now: float) -> list[bytes]:
        """Take a packet that `rtp.parse` accepts; return every packet that is now in order."""
        number, ssrc = rtp.sequence(packet), packet[8:12]
        ahead = distance16(number, self._expected)
        if ssrc != self._ssrc:
            return self._begin([packet])
        if not -MAX_MISORDER <= ahead <= MAX_DROPOUT:
            return self._far(packet)
        self._drop_stray()
        if ahead == 0:
            self._expected = (number + 1) & 0xFFFF
            if not self._held:
                return [packet]
            run = self._run()
            self.reordered += len(run)
            return [packet, *run]
        if ahead < 0:
            self._count_old(number)
        elif number in self._held:
            self.duplicates += 1
        else:
            self._held[number] = (packet, now)
            if len(self._held) > self._capacity:
                return self._give_up()
        return []

    def next_deadline(self) -> float | None:
        """Return when the gap at hand is given up; None without one."""
        for _, arrival in self._held.values():
            return arrival + self._hold
        return None

    def expire(self, now: float) -> list[bytes]:
        """Give up the gaps whose time is over; return what lay behind them."""
        freed: list[bytes] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            freed += self._give_up()
        return freed

    def _far(self, packet: bytes) -> list[bytes]:
        """Take a packet that no reordering explains: it begins anew with the one before it."""
        before = self._stray
        if before is not None and distance16(rtp.sequence(packet), rtp.sequence(before)) == 1:
            return self._begin([before, packet])
        self._drop_stray()
        self._stray = packet
        return []

    def _drop_stray(self) -> None:
        self.late += self._stray is not None
        self._stray = None

    def _begin(self, first: list[bytes]) -> list[bytes]:
        """Begin anew with packets in sequence; return them behind what was held."""
        before = self._release_all()
        self._given_up.clear()
        self._stray = None
        self._ssrc, self._expected = first[-1][8:12], (rtp.sequence(first[-1]) + 1) & 0xFFFF
        return [*before, *first]

    def _give_up(self) -> list[bytes]:
        """Skip the gap at hand; return the packets behind it up to the next gap."""
        gap = min(distance16(number, self._expected) for number in self._held)
        self._given_up.extend((self._expected + n) & 0xFFFF for n in range(gap))
        self.skipped += gap
        self._expected = (self._expected + gap) & 0xFFFF
        return self._run()

    def _run(self) -> list[bytes]:
        run: list[bytes] = []
        while (entry := self._held.pop(self._expected, None)) is not None:
            run.append(entry[0])
            self._expected = (self._expected + 1) & 0xFFFF
        return run

    def _release_all(self) -> list[bytes]:
        freed: list[bytes] = []
        while self._held:
            freed += self._give_up()
        return freed

    def _count_old(self, number: int) -> None:
        if number in self._given_up:
            self._given_up.remove(number)
            self.late += 1
        else:
            self.duplicates += 1

"""The log of one stripe: encoded frames in order, read through cursors.

Rules
-----
1. Frames are appended in rising sequence; what is not newer than the newest is dropped (two parents
   may feed at once). A hole is a loss that the caller has accepted.
2. A cursor is the next sequence number that its reader lacks. Reading never changes the log.
3. Frames older than `max_age` seconds of capture time behind the newest, and the oldest beyond
   `max_bytes`, fall off the tail. A cursor below `floor` has lost what it wanted. The number of
   frames is bounded too, for those that are all but empty.
"""

from bisect import bisect_left
from collections.abc import Sequence

from common.frame import FLAG_FIRST, Packet

_COMPACT_AFTER = 4096
"""Dead entries at the head of the lists before they are cut off in one go."""
_FEW = 256
"""Frames behind a cursor that are first looked at all together: it is near the newest."""
_SMALL_FRAME_BYTES = 128
_ALWAYS_FRAMES = 4096
"""A log holds so many frames, and one more for each `_SMALL_FRAME_BYTES` of its bytes."""


class StripeLog:
    """Encoded frames of one stripe, newest last."""

    __slots__ = (
        "_began", "_captures", "_frames", "_head", "_joined", "_max_age_us", "_max_bytes",
        "_max_frames", "_seqs", "_size", "floor", "newest",
    )  # fmt: skip

    def __init__(self, *, max_bytes: int, max_age: float) -> None:
        """Keep at most `max_bytes` of frames and `max_age` seconds by capture time."""
        self.keep(max_bytes=max_bytes, max_age=max_age)
        self._seqs: list[int] = []
        self._captures: list[int] = []
        self._frames: list[bytes] = []
        self._head = 0
        self._size = 0
        self._joined: tuple[int, int, bytes, int] = (0, 0, b"", 0)
        self._began = 0
        self.newest: int | None = None
        """Newest sequence number, None before the first."""
        self.floor = 0
        """Sequence numbers below this one are gone for good."""

    @property
    def size_bytes(self) -> int:
        """Bytes of frames that are kept."""
        return self._size

    @property
    def newest_capture_us(self) -> int:
        """Capture time of the newest frame, 0 before the first."""
        return self._captures[-1] if self._captures else 0

    @property
    def seconds(self) -> float:
        """Capture time from the oldest frame that is kept to the newest."""
        return (self._captures[-1] - self._captures[self._head]) / 1e6 if len(self) else 0.0

    @property
    def rate_bytes(self) -> float:
        """Bytes a second of capture time over what is kept."""
        seconds = self.seconds
        return self._size / seconds if seconds > 0 else 0.0

    def __len__(self) -> int:
        return len(self._seqs) - self._head

    def keep(self, *, max_bytes: int, max_age: float) -> None:
        """Keep so much from now on; what is too much goes with the next frames."""
        self._max_bytes, self._max_age_us = max_bytes, int(max_age * 1e6)
        self._max_frames = _ALWAYS_FRAMES + max_bytes // _SMALL_FRAME_BYTES

    def append(self, packets: Sequence[Packet], frames: Sequence[bytes]) -> Sequence[Packet]:
        """Add frames, given decoded and encoded; return the packets that were new."""
        if self.newest is not None and packets and packets[0].seq <= self.newest:
            newest = self.newest
            keep = [i for i, packet in enumerate(packets) if packet.seq > newest]
            packets, frames = [packets[i] for i in keep], [frames[i] for i in keep]
        if not packets:
            return packets
        seqs, captures = self._seqs, self._captures
        for seq, capture_us, _, flags, _, _ in packets:
            if flags & FLAG_FIRST:
                self._began = seq
            seqs.append(seq)
            captures.append(capture_us)
        self._frames += frames
        self._size += sum(map(len, frames))
        self.newest = seqs[-1]
        self._trim()
        return packets

    def clear(self) -> None:
        """Forget everything: the sequence numbers begin anew."""
        self._seqs, self._captures, self._frames = [], [], []
        self._head = self._size = self.floor = self._began = 0
        self._joined = (0, 0, b"", 0)
        self.newest = None

    def read(self, cursor: int, max_bytes: int) -> tuple[bytes, int, int]:
        """Return frames from `cursor` on as one string, the cursor behind them, and their count.

        At least one frame comes if there is any; more only while `max_bytes` are not passed.
        Readers who have come to the same place near the newest share the same string.
        """
        if self.newest is None or cursor > self.newest:
            return b"", cursor, 0
        asked, upto, data, count = self._joined
        if asked == cursor and upto > self.newest and (len(data) <= max_bytes or count == 1):
            return data, upto, count
        first = bisect_left(self._seqs, cursor, self._head)
        last, size = first, 0
        if len(self._frames) - first <= _FEW and sum(map(len, self._frames[first:])) <= max_bytes:
            last = len(self._frames)
        while last < len(self._frames):
            size += len(self._frames[last])
            if size > max_bytes and last > first:
                break
            last += 1
        data, upto = b"".join(self._frames[first:last]), self._seqs[last - 1] + 1
        self._joined = (cursor, upto, data, last - first)
        return data, upto, last - first

    def first_from(self, cursor: int) -> int | None:
        """Return the first sequence number at or behind `cursor` that there is to come.

        It is held; or it is `cursor` itself, where the next one held is the first of another server
        process, before which none is missing. None: nothing is held there.
        """
        at = bisect_left(self._seqs, cursor, self._head)
        if at == len(self._seqs):
            return None
        return cursor if self._seqs[at] == self._began else self._seqs[at]

    def since_capture(self, capture_us: int) -> int:
        """Return the cursor of the first frame captured at `capture_us` or later."""
        at = bisect_left(self._captures, capture_us, self._head)
        if at < len(self._seqs):
            return self._seqs[at]
        return 0 if self.newest is None else self.newest + 1

    def _trim(self) -> None:
        captures, frames = self._captures, self._frames
        oldest_us, last = captures[-1] - self._max_age_us, len(captures) - 1
        head, size, most = self._head, self._size, self._max_bytes
        spare = len(captures) - self._max_frames
        while head < last and (size > most or captures[head] < oldest_us or head < spare):
            size -= len(frames[head])
            frames[head] = b""
            head += 1
        if head == self._head:
            return
        self.floor, self._head, self._size = self._seqs[head - 1] + 1, head, size
        if head > _COMPACT_AFTER and head * 2 > len(self._seqs):
            del self._seqs[:head], self._captures[:head], self._frames[:head]
            self._head = 0

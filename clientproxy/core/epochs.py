"""Which stream the merged packets belong to, its newest sender reports, and what follows it where.

Rules
-----
1. An EPOCH frame counts at its own place in the sequence; those that say the same say nothing new.
2. Who was cut off, frozen or skipped over may miss all EPOCH frames of a change. The server proxy
   tells the stream on the control link too. A generation is the first number of its pull: what was
   told counts from there on, where no EPOCH frame has said it.
3. What is in force is never replaced by an older generation: the control link may lag behind.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from common import rtcp
from common.codec import decode_stream
from common.fields import SenderReport, Stream
from common.frame import FrameType, Packet
from common.rtsp.sdp import same_codecs

Change: TypeAlias = Literal["none", "first", "same codecs", "other codecs"]
"""What a description says against the one in force; "first": there was none."""


class Epochs:
    """The stream in force, and the one that was told and has not come yet."""

    __slots__ = ("_due", "_is_current", "reports", "stream")

    def __init__(self) -> None:
        """Know of no stream."""
        self.stream: Stream | None = None
        self.reports: dict[int, SenderReport] = {}
        """The newest of the source, per track index."""
        self._is_current = False
        """The stream is of these numbers, not of those before `begin`."""
        self._due: Stream | None = None
        """What the server proxy has told, while it is newer."""

    def begin(self, stream: Stream | None, reports: Mapping[int, SenderReport]) -> Change:
        """Begin with other numbers, and with what is known of them."""
        self._due, self._is_current = None, False
        change: Change = "none" if stream is None else self._replace(stream)
        self.reports |= reports
        return change

    def heard(self, stream: Stream | None) -> None:
        """Note the server proxy's newest word; None: nothing new."""
        if stream is not None:
            self._due = stream if self._is_newer(stream) else None

    def due_at(self, packets: Sequence[Packet]) -> int | None:
        """Return the index of the first of these packets that belongs to what was told.

        They are in order. None: none of them does, or an EPOCH frame says so.
        """
        due = self._due
        if due is None or not packets or packets[-1].seq < due.generation:
            return None
        at = bisect_left(packets, due.generation, key=_number)
        return None if packets[at].type == FrameType.EPOCH else at

    def take(self) -> Change:
        """Put in force what was told."""
        return "none" if self._due is None else self._replace(self._due)

    def frame(self, packet: Packet) -> Change:
        """Take an EPOCH frame. Raises BadMessageError."""
        stream = decode_stream(packet.payload)
        known = self.stream if self._is_current else None
        if known is not None and _place(known) == _place(stream):
            return "none"
        return self._replace(stream)

    def report(self, packet: Packet) -> None:
        """Take an RTCP packet of the source."""
        if (info := rtcp.sender_info(packet.payload)) is not None:
            self.reports[packet.track] = SenderReport(info.ssrc, info.ntp, info.rtp)

    def _replace(self, stream: Stream) -> Change:
        known, self.stream, self._is_current = self.stream, stream, True
        self.reports.clear()
        if self._due is not None and not self._is_newer(self._due):
            self._due = None
        if known is None:
            return "first"
        same = known.tracks == stream.tracks and same_codecs(known.sdp, stream.sdp)
        return "same codecs" if same else "other codecs"

    def _is_newer(self, stream: Stream) -> bool:
        known = self.stream if self._is_current else None
        return known is None or stream.generation > known.generation


def _number(packet: Packet) -> int:
    return packet.seq


def _place(stream: Stream) -> tuple[int, int]:
    return stream.epoch, stream.generation

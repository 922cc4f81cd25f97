"""Channel-wide numbers for the packets of a source: RTP and RTCP of all tracks in one sequence.

Rules
-----
1. Sequence numbers begin at the server process's start time in microseconds of Unix time, or above
   any number that a node brings from an earlier process (`go_above`): they never start again.
2. Each pull of the source begins with one EPOCH frame in every stripe. The first ones of a process,
   and the first ones above a number that was brought, are marked FIRST: nothing before is missing.
3. `generation` is the first sequence number of its pull, so no other process has used it. Nodes see
   a restart by it; whether the codecs are others they see themselves.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.clock import MAX_CLOCK_STEP
from common.fields import Stream, Track
from common.frame import FLAG_FIRST, FLAG_KEYFRAME, FLAG_RTCP, FrameType, Packet
from common.keyframe import KeyframeDetector
from common.rtsp.sdp import same_codecs
from serverproxy.core.events import SourceDescription, SourcePacket

MOST_BROUGHT = 16
"""Times that a process goes above numbers that nodes bring; nodes that come later begin afresh."""
MOST_BROUGHT_BY_HOST = 4
"""The same for the nodes at one host."""
MARGIN = 1 << 20
"""How far above: nodes that are a little further on come in a moment."""
CLOCKS_DIFFER = 60
"""Seconds by which a node's idea of the group clock may be behind."""
KINDS = ("video", "audio", "application", "other", "rtcp")
"""What a packet carries: RTCP of any track, or the medium of its track."""


def may_follow(number: int, now_us: int) -> bool:
    """Return whether to go on above a number: every node must take what then comes."""
    most = (MAX_CLOCK_STEP - CLOCKS_DIFFER) * 1_000_000 - MARGIN
    return number <= now_us + most


@dataclass(slots=True)
class NumberingStats:
    """Counts since the start."""

    packets: int = 0
    """RTP and RTCP packets accepted from the source."""
    bytes: int = 0
    """Their bytes."""
    by_kind: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    """The packets by what they carry."""
    keyframes: int = 0


class Numbering:
    """Turns what a source gives into sequenced packets."""

    def __init__(self, *, first: int, stripes: int) -> None:
        """Begin with sequence number `first`."""
        self.next = first
        """Next sequence number to be given."""
        self.keyframe = 0
        """Newest sequence number that starts a keyframe, 0: none."""
        self.stream: Stream | None = None
        self.stats = NumberingStats()
        self._stripes = stripes
        self._detectors: dict[int, KeyframeDetector] = {}
        self._kinds: dict[int, str] = {}
        self._flags = FLAG_FIRST
        """Of the next marks."""
        self._brought = Counter[str]()
        """Times by host, of which there are `MOST_BROUGHT` at most."""

    def go_above(self, number: int, host: str = "") -> bool:
        """Go on above a number that a node has from an earlier process; False: too often already.

        No `host` alone uses up how often that may be.

        New `marks` are due at once where there is a stream and the next number has changed.
        """
        if number < self.next:
            return True
        if self._brought.total() == MOST_BROUGHT or self._brought[host] == MOST_BROUGHT_BY_HOST:
            return False
        self._brought[host] += 1
        self.next, self._flags = number + MARGIN, FLAG_FIRST
        return True

    def begin(self, description: SourceDescription) -> Stream:
        """Note a new pull; return the stream as the nodes are told it.

        Other codecs begin the next epoch, the same a new generation.
        """
        known = self.stream
        same = (
            known is not None
            and known.tracks == description.tracks
            and same_codecs(known.sdp, description.sdp)
        )
        epoch = 1 if known is None else known.epoch if same else known.epoch + 1
        self.stream = Stream(epoch, self.next, description.sdp, description.tracks)
        video = [track for track in description.tracks if track.kind == "video"]
        self._detectors = {
            track.index: KeyframeDetector(track.codec) for track in _leading(description, video)
        }
        self._kinds = {
            track.index: track.kind if track.kind in KINDS else "other"
            for track in description.tracks
        }
        self.keyframe = 0
        return self.stream

    def marks(self, body: bytes, capture_us: int) -> list[Packet]:
        """Return one EPOCH packet for each stripe, with the stream as its body."""
        flags, self._flags = self._flags, 0
        return [
            self._number(0, flags, body, capture_us, FrameType.EPOCH) for _ in range(self._stripes)
        ]

    def push(self, packets: Sequence[SourcePacket], capture_us: int) -> list[Packet]:
        """Give numbers to what one wake-up brought."""
        out, stats, detectors = [], self.stats, self._detectors
        kinds, by_kind = self._kinds, self.stats.by_kind
        for track, is_rtcp, payload in packets:
            flags = 0
            if is_rtcp:
                flags = FLAG_RTCP
            elif track in detectors and detectors[track].push(payload):
                flags = FLAG_KEYFRAME
                stats.keyframes += 1
                self.keyframe = self.next
            out.append(self._number(track, flags, payload, capture_us, FrameType.DATA))
            stats.bytes += len(payload)
            by_kind["rtcp" if is_rtcp else kinds.get(track, "other")] += 1
        stats.packets += len(packets)
        return out

    def _number(
        self, track: int, flags: int, payload: bytes, capture_us: int, kind: FrameType
    ) -> Packet:
        seq = self.next
        self.next = seq + 1
        return Packet(seq, capture_us, track, flags, payload, kind)


def _leading(description: SourceDescription, video: Sequence[Track]) -> Sequence[Track]:
    """Return the tracks at whose access units a newcomer may start: one picture, or any sound."""
    return video[:1] or description.tracks

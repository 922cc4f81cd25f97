"""Counts of one source, since its channel began."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class SourceStats:
    """Plain integers, read at scrape time."""

    pulls: int = 0
    """Pulls that brought media."""
    failures: int = 0
    """Pulls that ended, whether or not they brought media."""
    packets: int = 0
    """RTP and RTCP packets handed on."""
    bytes: int = 0
    """Their bytes."""
    lost_packets: dict[int, int] = field(default_factory=dict)
    """Per track: RTP packets that the source numbered and that never came."""
    reordered: int = 0
    """RTP packets that waited for an earlier one, which came."""
    late: int = 0
    """RTP packets that came more than 50 ms behind a later one, and were left out."""
    duplicates: int = 0
    bad_frames: int = 0
    """Packets that are neither RTP nor RTCP, or of a channel that nobody asked for."""
    foreign: int = 0
    """Datagrams from another address than the source's."""

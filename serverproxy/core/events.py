"""What a source tells its channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from common.fields import Track


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """What the source plays, told each time that it has been pulled anew."""

    sdp: str
    """As the source sent it."""
    tracks: tuple[Track, ...]
    """The media that are pulled; `index` counts the m= lines of `sdp`."""


class SourcePacket(NamedTuple):
    """One packet as the source sent it, in the order in which it is numbered."""

    track: int
    rtcp: bool
    payload: bytes


class SourceSink(Protocol):
    """Who takes what a source gives: the channel."""

    def source_up(self, description: SourceDescription) -> None:
        """Take the description; packets of this pull follow."""

    def source_packets(self, packets: Sequence[SourcePacket]) -> None:
        """Take all packets that one wake-up of the source brought, in order."""

    def source_down(self, reason: str) -> None:
        """Note that the pull ended, or failed; the source tries again by itself."""

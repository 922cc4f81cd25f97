"""What a player that comes late begins with: the packets since the last keyframe."""

from collections.abc import Sequence

from clientproxy.core.reorder import PACKET_COST_BYTES
from common.frame import FLAG_KEYFRAME, Packet


class History:
    """The packets since the last keyframe, in order, while they are no more than `max_bytes`.

    Without their keyframe the rest are of no use to a newcomer: it waits for the next.
    """

    __slots__ = ("_from_keyframe", "_packets", "_size", "max_bytes")

    def __init__(self, max_bytes: int) -> None:
        """Begin with nothing; the first packet is one to start with."""
        self.max_bytes = max_bytes
        """Of payload and what a packet costs besides (`PACKET_COST_BYTES`)."""
        self._packets: list[Packet] = []
        self._size = 0
        self._from_keyframe = True

    def packets(self) -> list[Packet]:
        """Return a list that stays as it is."""
        return list(self._packets)

    def extend(self, packets: Sequence[Packet]) -> None:
        """Take packets behind those that are there; a keyframe begins anew."""
        for packet in packets:
            if packet.flags & FLAG_KEYFRAME:
                self.forget()
                self._from_keyframe = True
            if self._from_keyframe:
                self._packets.append(packet)
                self._size += len(packet.payload) + PACKET_COST_BYTES
        if self._size > self.max_bytes:
            self.wait()

    def wait(self) -> None:
        """Drop all, up to the next keyframe: what comes before it is of no use to a newcomer."""
        self.forget()
        self._from_keyframe = False

    def forget(self) -> None:
        """Drop all: what comes belongs to another stream, or to another keyframe."""
        self._packets = []
        self._size = 0

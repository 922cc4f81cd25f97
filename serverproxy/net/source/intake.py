"""What comes from a source, collected and handed to its channel once per wake-up of the loop."""

import asyncio
from collections.abc import Callable

from serverproxy.core.events import SourceDescription, SourcePacket, SourceSink
from serverproxy.core.sourcestats import SourceStats

_MOST_EARLY = 64
"""RTCP packets that are kept until the first RTP packet shows that the source is up."""


class Intake:
    """The way of packets to the sink. `source_up` goes before the first RTP packet of a pull."""

    def __init__(
        self, sink: SourceSink, stats: SourceStats, on_up: Callable[[SourceDescription], None]
    ) -> None:
        self._sink, self._stats, self._on_up = sink, stats, on_up
        self._batch: list[SourcePacket] = []
        self._scheduled: asyncio.Handle | None = None
        self._description: SourceDescription | None = None
        self.up = False
        """The sink knows the source as up."""

    def begin(self, description: SourceDescription) -> None:
        """Begin a pull: its first RTP packet makes the source go up."""
        self._batch.clear()
        self._description, self.up = description, False

    def add(self, packet: SourcePacket) -> None:
        """Take a packet; it goes out with `flush`, or by itself at the loop's next turn."""
        self._batch.append(packet)
        if not self.up and packet.rtcp and len(self._batch) > _MOST_EARLY:
            del self._batch[0]

    def soon(self) -> None:
        """Flush at the loop's next turn, when all sockets that are ready have been read."""
        if self._scheduled is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Hand on what has come."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        if not self._batch or self._description is None:
            return
        if not self.up:
            if all(packet.rtcp for packet in self._batch):
                return
            self.up = True
            self._stats.pulls += 1
            self._sink.source_up(self._description)
            self._on_up(self._description)
        batch, self._batch = self._batch, []
        self._stats.packets += len(batch)
        self._stats.bytes += sum(len(packet.payload) for packet in batch)
        self._sink.source_packets(batch)

    def end(self) -> None:
        """End the pull: what is collected goes out; nothing that comes later does."""
        self.flush()
        self._batch.clear()
        self._description, self.up = None, False

"""The `testcard:` source: a picture and a tone for whoever has no camera at hand."""

import asyncio
import importlib.util
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from common.errors import SourceError
from serverproxy.core import testcardurl
from serverproxy.core.events import SourceDescription, SourcePacket, SourceSink
from serverproxy.core.sourcestats import SourceStats
from serverproxy.core.testcardurl import TestCardOptions

log = logging.getLogger(__name__)

_MOST_UNDELIVERED = 32
"""Pictures between encoder and loop; a loop that does not keep up makes the encoder wait."""
_FURTHEST_BEHIND = 2.0
"""Seconds behind its clock after which the card gives up catching up: it was suspended."""
_RETRY_AFTER = 60.0
_LOOK_INTERVAL = 0.25


class TestCard:
    """One channel's test card. `run` plays it until cancelled."""

    __test__ = False  # not a test case, whatever its name says to pytest

    def __init__(self, url: str, sink: SourceSink, *, channel: str) -> None:
        """Read the options in `url`; raises ValueError that names the wrong one."""
        self._options = testcardurl.parse(url)
        self._sink, self._fields = sink, {"channel": channel}
        self.stats = SourceStats()
        self.state = "connecting"
        """`connecting`, `up` or `down`."""
        self.last_error: str | None = None

    async def run(self) -> None:
        """Play for ever. Without PyAV say so, and look again every minute."""
        try:
            while True:
                try:
                    await self._play()
                except SourceError as error:
                    self._failed(str(error))
                except Exception:
                    log.exception("the test card failed", extra=self._fields)
                    self._failed("the test card failed; the log has the error")
                await asyncio.sleep(_RETRY_AFTER)
        finally:
            self.state = "down"

    def _failed(self, reason: str) -> None:
        self.stats.failures += 1
        if reason != self.last_error:
            log.warning("source testcard: %s", reason, extra=self._fields)
            self._sink.source_down(reason)
        self.state, self.last_error = "down", reason

    async def _play(self) -> None:
        if importlib.util.find_spec("av") is None:
            raise SourceError(
                "the test card needs PyAV, which is not installed: pip install 'stripecast[media]'"
            )
        with ThreadPoolExecutor(1, thread_name_prefix="testcard") as pool:
            player = _Player(self._options, self._up, self._packets)
            work = asyncio.get_running_loop().run_in_executor(pool, player.play)
            try:
                await asyncio.shield(work)
            finally:
                player.stop()
                await asyncio.wait([work])

    def _up(self, description: SourceDescription) -> None:
        self.stats.pulls += 1
        self.stats.lost_packets = {track.index: 0 for track in description.tracks}
        self.state, self.last_error = "up", None
        log.info("source testcard: is up", extra=self._fields)
        self._sink.source_up(description)

    def _packets(self, packets: list[SourcePacket]) -> None:
        self.stats.packets += len(packets)
        self.stats.bytes += sum(len(packet.payload) for packet in packets)
        self._sink.source_packets(packets)


class _Player:
    """The encoder's thread: makes pictures at their time and hands them to the loop."""

    def __init__(
        self,
        options: TestCardOptions,
        on_up: Callable[[SourceDescription], None],
        on_packets: Callable[[list[SourcePacket]], None],
    ) -> None:
        self._options, self._on_up, self._on_packets = options, on_up, on_packets
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._free = threading.Semaphore(_MOST_UNDELIVERED)

    def stop(self) -> None:
        """Make `play` return soon; nothing more is delivered from now on."""
        self._stopped.set()

    def play(self) -> None:
        """Run in a thread until `stop`."""
        from serverproxy.net.testencoder import open_encoder

        encoder = open_encoder(self._options)
        try:
            self._loop.call_soon_threadsafe(self._deliver_up, encoder.description())
            began = time.monotonic()
            for due, packets in encoder.batches():
                behind = time.monotonic() - began - due
                if behind > _FURTHEST_BEHIND:
                    began += behind
                if not self._wait(-behind):
                    return
                self._loop.call_soon_threadsafe(self._deliver, packets)
        finally:
            encoder.close()

    def _wait(self, seconds: float) -> bool:
        """Wait for the time and for room; return False when stopped."""
        if self._stopped.wait(max(0.0, seconds)):
            return False
        while not self._free.acquire(timeout=_LOOK_INTERVAL):
            if self._stopped.is_set():
                return False
        return True

    def _deliver_up(self, description: SourceDescription) -> None:
        if not self._stopped.is_set():
            self._on_up(description)

    def _deliver(self, packets: list[SourcePacket]) -> None:
        self._free.release()
        if packets and not self._stopped.is_set():
            self._on_packets(packets)

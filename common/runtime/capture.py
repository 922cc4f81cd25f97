"""`--pcap`: what comes and what goes is written to files that Wireshark opens.

Rules
-----
1. A capture that is off costs one look at `on` for each batch of packets.
2. The event loop makes records of what it sees; a thread writes them, `FLUSH_EVERY` seconds later.
   At most `MAX_WAITING_BYTES` wait: what is beyond is left out, counted and logged.
3. What cannot be written ends the capture, with one line in the log; never the daemon.
4. A reload begins a new file, which is what logrotate asks for.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from common.errors import ProxyError
from common.fields import Stream
from common.frame import FrameReader, Packet
from common.runtime.faults import quoted
from common.runtime.pcap import Chunk, Flow, Records
from common.runtime.pcapfiles import PcapFiles
from common.runtime.tasks import Tasks

log = logging.getLogger(__name__)

FLUSH_EVERY = 0.25
"""Seconds between two writes."""
MAX_WAITING_BYTES = 16 << 20
"""Bytes of records that may wait for a disk that is slow."""
WARN_EVERY = 10.0
"""Seconds between two lines about packets that were left out."""
CLOSE_WITHIN = 1.0
"""Seconds that the last write may take when the daemon ends."""


class Target(NamedTuple):
    """Where a capture goes, and how much of it is kept."""

    file: str
    file_bytes: int
    """What a file may hold; the one that is full becomes FILE.1 and another is begun."""
    files: int
    """How many there are at most, with the one that is being written."""


class CaptureError(ProxyError):
    """The capture that the configuration wants cannot be written."""


class Capture:
    """The capture of one daemon, on or off."""

    def __init__(self) -> None:
        self.on = False
        """Packets are taken."""
        self._now: _Writing | None = None
        self._before: list[_Writing] = []
        """What has still to be written of earlier ones."""
        self._tasks = Tasks()
        self._running: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    async def start(self, target: Target | None) -> None:
        """Begin, if there is a target. Raises CaptureError where it cannot be written."""
        self._begin(target)
        if (writing := self._now) is not None:
            try:
                await writing.write()
            except OSError as error:
                self._end()
                raise CaptureError(f"{_cannot(writing, error)}; change the key pcap") from error
            self._running = self._tasks.spawn(self._run(), name="capture")

    def follow(self, target: Target | None) -> None:
        """Begin a new file, or end: the daemon reloads its configuration."""
        if self._now is not None:
            self._before.append(self._now)
        elif target is None:
            return
        self._begin(target)
        if self._running is None or self._running.done():
            self._running = self._tasks.spawn(self._run(), name="capture")

    def take(self, flow: Flow, stream: Stream | None, packets: Sequence[Packet]) -> None:
        """Take packets that come or go just now; while it is off, nothing."""
        if (writing := self._now) is None:
            return
        if writing.records.waiting_bytes > MAX_WAITING_BYTES:
            writing.left_out += len(packets)
        else:
            writing.records.add(flow, stream, packets, time.time_ns() // 1000)

    def take_frames(self, flow: Flow, stream: Stream | None, data: bytes) -> None:
        """Take the packets of whole frames."""
        self.take(flow, stream, FrameReader().feed(data).packets)

    async def close(self) -> None:
        """Write the rest and end."""
        self._ending.set()
        if self._running is not None:
            self.follow(None)
            await asyncio.wait({self._running}, timeout=CLOSE_WITHIN)
        await self._tasks.close()

    def _begin(self, target: Target | None) -> None:
        self._now = None if target is None else _Writing(target)
        self.on = self._now is not None
        if target is not None:
            log.info(
                "captures to %s: up to %d files of %d bytes",
                target.file,
                target.files,
                target.file_bytes,
            )

    def _end(self) -> None:
        self._now, self.on = None, False

    async def _run(self) -> None:
        while self._now is not None or self._before:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_EVERY):
                    await self._ending.wait()
            while self._before:
                await self._write(self._before.pop(0), last=True)
            if self._now is not None:
                await self._write(self._now)

    async def _write(self, writing: "_Writing", *, last: bool = False) -> None:
        try:
            await writing.write(last=last)
        except OSError as error:
            if writing is self._now:
                self._end()
            log.error(  # noqa: TRY400 - no bug, no traceback
                "%s; the capture has ended, all else goes on; mend that and reload to begin anew",
                _cannot(writing, error),
            )


class _Writing:
    """One target, from its first record to its last."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.records = Records(target.file_bytes)
        self.left_out = 0
        """Packets that are in no record because too much waited, since that was last said."""
        self._files, self._warn_at = PcapFiles(target.file, target.files), 0.0

    async def write(self, *, last: bool = False) -> None:
        """Write what waits; after the `last` there is no more. Raises OSError."""
        if (chunks := self.records.take()) or last:
            await asyncio.to_thread(self._write, chunks, last)
        now = asyncio.get_running_loop().time()
        if self.left_out and (last or now >= self._warn_at):
            log.warning(
                "%d packets are missing in the capture: the disk of %s is too slow",
                self.left_out,
                self.target.file,
            )
            self.left_out, self._warn_at = 0, now + WARN_EVERY

    def _write(self, chunks: Sequence[Chunk], last: bool) -> None:
        try:
            self._files.write(chunks)
        except OSError:
            self._files.close()
            raise
        if last:
            self._files.close()


def _cannot(writing: _Writing, error: OSError) -> str:
    return f"pcap: {quoted(writing.target.file)} cannot be written: {error.strerror or error}"

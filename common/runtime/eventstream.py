"""Server-sent events: what a page shows, once a second, to everyone who listens.

Rules
-----
1. A snapshot is made at most once in `EVERY` seconds per subject, and shared by all who listen to
   it; while nobody listens none is made.
2. A snapshot is whole: who is slow misses some, and lacks nothing. Who takes none for `SLOW`
   seconds is closed.
3. At most `MAX_LISTENERS` listen to one daemon.
"""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from common.runtime.problem import ProblemError

EVERY = 1.0
"""Seconds between two snapshots."""
SLOW = 5.0
"""Seconds after which a listener that takes nothing is closed."""
MAX_LISTENERS = 32
"""Pages that one daemon feeds at the same time."""
COME_BACK = 2.0
"""Seconds after which a page that was cut off asks again."""


class EventStream:
    """All listeners of one daemon."""

    def __init__(self, snapshot: Callable[[str], object], *, subjects: bool = True) -> None:
        """`snapshot` makes one for a subject (the `channel` of the query, or ''), whatever it is.

        Without `subjects` there is only ''.
        """
        self._snapshot, self._subjects = snapshot, subjects
        self._made: dict[str, tuple[int, bytes]] = {}
        self._closing = asyncio.Event()
        self.listeners = 0

    def close(self) -> None:
        """End all streams."""
        self._closing.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Feed one listener until it goes, is too slow, or the daemon ends."""
        if self.listeners >= MAX_LISTENERS:
            sentence = f"{MAX_LISTENERS} pages are open already: close one."
            raise ProblemError(503, sentence, headers={"Retry-After": "5"})
        subject = request.query.get("channel", "") if self._subjects else ""
        first = self._event(subject)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self.listeners += 1
        try:
            await response.prepare(request)
            if request.method == "GET":
                await response.write(b"retry: %d\n\n" % int(COME_BACK * 1000))
                await self._feed(response, subject, first)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.listeners -= 1
        return response

    async def _feed(self, response: web.StreamResponse, subject: str, event: bytes) -> None:
        while not self._closing.is_set():
            async with asyncio.timeout(SLOW):
                await response.write(event)
            if await self._next():
                return
            event = self._event(subject)

    async def _next(self) -> bool:
        """Wait until the next snapshot is due; return whether the daemon ends."""
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(EVERY - now % EVERY):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True

    def _event(self, subject: str) -> bytes:
        tick = int(asyncio.get_running_loop().time() / EVERY)
        made, event = self._made.get(subject, (-1, b""))
        if made != tick:
            event = b"event: snapshot\ndata: " + msgspec.json.encode(self._snapshot(subject))
            event += b"\n\n"
            fresh = {one: had for one, had in self._made.items() if had[0] == tick}
            self._made = fresh if len(fresh) < MAX_LISTENERS else {}  # anything can be asked for
            self._made[subject] = (tick, event)
        return event

"""What the doctor is doing, on standard error: a line when it begins something, or takes long."""

import asyncio

from common.runtime.output import complain

SILENT_FOR = 1.5
"""Seconds after which something that takes long is named again."""
_LOOK_EVERY = 0.1


class Progress:
    """Says what is being done."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._loop = asyncio.get_running_loop()
        self._doing, self._said = "", self._loop.time()
        self._began = self._said

    def say(self, doing: str) -> None:
        """Say what begins now."""
        self._doing, self._began = doing, self._loop.time()
        self._line(f"{doing} …")

    async def run(self) -> None:
        """Say again what takes long, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            now = self._loop.time()
            if self._doing and now - self._said >= SILENT_FOR:
                self._line(f"{self._doing} … {now - self._began:.0f} s")

    def _line(self, text: str) -> None:
        self._said = self._loop.time()
        complain(text)

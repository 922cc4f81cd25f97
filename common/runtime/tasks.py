"""Tasks that are named, kept and awaited: the only place that creates one."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Tasks:
    """The background tasks of one owner. `close()` leaves none behind."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    def spawn(
        self,
        work: Coroutine[object, object, T],
        *,
        name: str,
        fields: Mapping[str, object] | None = None,
    ) -> asyncio.Task[T]:
        """Run `work` in the background. What it raises is logged once, with name and `fields`."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(partial(self._done, fields))
        return task

    def _done(self, fields: Mapping[str, object] | None, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task %s failed", task.get_name(), exc_info=error, extra=fields)

    async def ended(self) -> None:
        """Wait until all have ended by themselves."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def close(self) -> None:
        """Cancel all tasks but the caller's own and wait until they have ended."""
        running = self._running - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

"""Calls that block and cannot be broken off, such as the look-up of a name."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


MAX_CALLS = 64
"""Calls under way in one process. One more ends at once with TimeoutError: the others hang."""
_room = threading.BoundedSemaphore(MAX_CALLS)


def begin(call: Callable[[], T]) -> "Future[T]":
    """Begin a call in a thread that is nobody's: the end of the program does not wait for it."""
    done: Future[T] = Future()
    if not _room.acquire(blocking=False):
        done.set_exception(TimeoutError(f"{MAX_CALLS} calls before it have not ended"))
        return done

    def work() -> None:
        try:
            end = partial(done.set_result, call())
        except Exception as error:  # handed on to who waits
            end = partial(done.set_exception, error)
        finally:
            _room.release()
        with suppress(InvalidStateError):  # nobody waits any more
            end()

    try:
        threading.Thread(target=work, daemon=True).start()
    except BaseException:
        _room.release()
        raise
    return done


def wait(call: Callable[[], T], within: float) -> T:
    """Return what `call` returns, or raise what it raises; TimeoutError after `within` seconds.

    A signal ends the wait at once.
    """
    return begin(call).result(within)


async def in_thread(call: Callable[[], T], within: float) -> T:
    """Do the same without keeping the event loop from its work."""
    return await asyncio.wait_for(asyncio.wrap_future(begin(call)), within)


class NobodysThreads(ThreadPoolExecutor):
    """An event loop's executor whose threads, too, the end of loop and program do not wait for."""

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Begin a call."""
        return begin(partial(call, *args, **kwargs))

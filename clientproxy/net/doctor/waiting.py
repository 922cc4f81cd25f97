"""Calls that block and cannot be broken off, such as the look-up of a name."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T], within: float) -> T:
    """Return what `call` returns, or raise what it raises; TimeoutError after `within` seconds.

    Its thread is nobody's: neither the caller nor the end of the program waits for it.
    """
    done: Future[T] = Future()

    def work() -> None:
        with suppress(InvalidStateError):  # nobody waits any more
            try:
                done.set_result(call())
            except Exception as error:  # handed on to who waits
                done.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wait_for(asyncio.wrap_future(done), within)

"""The life of a daemon: event loop, signals, the end within five seconds, exit codes.

Rules
-----
1. SIGTERM and SIGINT are the same: `Stop` is set once, the daemon ends gracefully, exit code 0.
2. A second one ends the process at once with 128 + its number.
3. An end that takes longer than `GRACE` seconds is logged and cut short with exit code 1, even
   where the event loop hangs. What only a thread still does when the daemon has ended is not waited
   for: nobody can break off the look-up of a name.
4. What fails is one log line and exit code 1, also where a task has ended without which nothing
   goes on. Tasks that are left at the end are named at WARNING.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from types import FrameType, TracebackType
from typing import TypeVar

from common.errors import ProxyError
from common.ids import Address
from common.runtime.log import flush, write_behind
from common.runtime.notify import notify, reloading, status
from common.runtime.openfiles import OpenFiles, allow_open_files
from common.runtime.reasons import reason

log = logging.getLogger(__name__)

T = TypeVar("T")

GRACE = 4.5
"""Seconds from the first signal until the process is ended by force: five are promised."""

LAST_LINE_WITHIN = 0.4
"""Seconds that the line about that has to be written."""

THREADS_WITHIN = 0.5
"""Seconds that threads have to end once the daemon has."""

SLOW_CALLBACK = 1.0
"""Seconds after which asyncio's debug mode calls a callback slow."""

ENDED, FAILED, BAD_CONFIG = 0, 1, 2
"""Exit codes: ended as asked, failed while running, bad configuration or arguments."""


class Stop:
    """Whether the daemon shall end, and who wants to know when it shall reload."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._reload: list[Callable[[], None]] = []
        self._ended: str | None = None

    def set(self) -> None:
        """Ask the daemon to end. Asking again changes nothing."""
        self._asked.set()

    def is_set(self) -> bool:
        """Return whether the daemon has been asked to end."""
        return self._asked.is_set()

    async def wait(self, *essential: asyncio.Task[T]) -> None:
        """Wait until the daemon is asked to end. Raises EndedError if one of these ends first."""
        for task in essential:
            task.add_done_callback(self._has_ended)
        await self._asked.wait()
        if self._ended is not None:
            raise EndedError(f"{self._ended} has ended, a bug: nothing goes on without it")

    def _has_ended(self, task: asyncio.Task[T]) -> None:
        if not self.is_set():
            self._ended = f"task {task.get_name()}"
            self.set()

    def on_reload(self, callback: Callable[[], None]) -> None:
        """Call `callback` on each SIGHUP. A ProxyError that it raises is logged, line by line."""
        self._reload.append(callback)

    def reload(self) -> None:
        """Do what SIGHUP does; before anything can be reloaded, nothing."""
        if self._reload:
            with reloading():
                self._call_all()

    def _call_all(self) -> None:
        for callback in self._reload:
            try:
                callback()
            except ProxyError as error:
                faults = str(error).splitlines()
                for fault in faults:
                    log.error("nothing reloaded: %s", fault)  # noqa: TRY400 - the fault says it all
                notify(status(f"nothing reloaded: {', '.join(faults[:1])}"))


class EndedError(ProxyError):
    """What a daemon cannot do without has ended by itself."""


class PortError(ProxyError):
    """A daemon cannot listen where it was told to."""

    def __init__(self, key: str, address: Address, error: OSError) -> None:
        """Take the key of the configuration that names the address; its flag has the same name."""
        self.key, self.address = key, address
        super().__init__(
            f"cannot listen on {address} for {key}: {reason(error)}; choose another address with"
            f" --{key} HOST:PORT or the key {key} (port 0: any free port)"
        )


@contextlib.contextmanager
def opening(key: str, address: Address) -> Iterator[None]:
    """Turn the OSError of opening the port of `key` into a PortError that says what to change."""
    try:
        yield
    except OSError as error:
        raise PortError(key, address, error) from error


def end_quietly() -> None:
    """Let SIGTERM and SIGINT end the process with exit code 0; a screen is left as it was found."""

    def ended(_number: int, _frame: FrameType | None) -> None:
        sys.exit(ENDED)

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing is loaded yet: nothing to reload


def run_daemon(main: Callable[[Stop], Coroutine[object, object, int | None]]) -> int:
    """Run `main` until it returns; return the exit code. To be called once, by the main thread.

    That is 0 unless `main` returns another.

    `main` returns soon after `stop` is set. Its signal handlers stay when this returns, so that
    the last moments of the process end quietly too.
    """
    sys.excepthook = _log_bug
    allow_open_files()
    write_behind()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_supervise(main))


async def _supervise(main: Callable[[Stop], Coroutine[object, object, int | None]]) -> int:
    stop = Stop()
    loop = asyncio.get_running_loop()
    files = OpenFiles(loop)
    loop.set_exception_handler(partial(_log_error, files))
    files.watch()
    loop.slow_callback_duration = SLOW_CALLBACK
    _take_signals(stop, loop)
    try:
        code = await main(stop) or ENDED
    except (ProxyError, OSError) as error:
        log.error("%s", str(error) or type(error).__name__)  # noqa: TRY400 - no bug, no traceback
        notify(status(str(error)))
        return FAILED
    except Exception:
        log.exception("the daemon failed")
        return FAILED
    finally:
        _cut_short_later()
        left = sorted(task.get_name() for task in asyncio.all_tasks() if not _is_current(task))
        if left:
            log.warning("tasks left at the end: %s", ", ".join(left))
    _later(THREADS_WITHIN, partial(_end_now, code))
    return code


def _is_current(task: asyncio.Task[object]) -> bool:
    return task is asyncio.current_task()


def _take_signals(stop: Stop, loop: asyncio.AbstractEventLoop) -> None:
    # signal.signal and not loop.add_signal_handler: a second signal must end a loop that hangs.
    asked = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        if not loop.is_closed():  # else the end is near and has its own watchdog
            _cut_short_later()
            loop.call_soon_threadsafe(_begin_end, stop, signal.Signals(number).name)

    def reload(_number: int, _frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.reload)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, reload)


def _begin_end(stop: Stop, signal_name: str) -> None:
    log.info("%s: ending", signal_name)
    notify("STOPPING=1", status(f"{signal_name}: ending"))
    stop.set()


def _cut_short_later() -> None:
    _later(GRACE, _cut_short)


def _later(seconds: float, do: Callable[[], None]) -> None:
    watchdog = threading.Timer(seconds, do)
    watchdog.daemon = True
    watchdog.start()


def _cut_short() -> None:
    _later(LAST_LINE_WITHIN, partial(os._exit, FAILED))  # whatever the log does
    log.error("the end took longer than %g s and was cut short", GRACE)
    _end_now(FAILED)


def _end_now(code: int) -> None:
    flush()
    os._exit(code)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's factory where it is installed; STRIPECAST_LOOP=asyncio wants the other."""
    if os.environ.get("STRIPECAST_LOOP") != "asyncio":
        with contextlib.suppress(ImportError):
            import uvloop

            return uvloop.new_event_loop
    return asyncio.new_event_loop


def _log_error(
    files: OpenFiles, _loop: asyncio.AbstractEventLoop, context: dict[str, object]
) -> None:
    """Log what only the event loop has seen."""
    error = context.get("exception")
    if not files.take(error):  # that comes in thousands
        log.error(
            "event loop: %s",
            context.get("message"),
            exc_info=error if isinstance(error, BaseException) else None,
        )


def _log_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("the daemon failed", exc_info=(kind, error, trace))

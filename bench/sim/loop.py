"""An asyncio event loop whose time is a number: what is due next happens at once.

The daemons' own shells run on it as they are. All code of a host runs in a context that names it,
so that a host that is stopped, or dead, can be kept from running.
"""

import asyncio
from asyncio import _set_running_loop
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from inspect import CORO_CREATED, getcoroutinestate
from types import CoroutineType
from typing import TypeVarTuple

Ts = TypeVarTuple("Ts")

OWNER: ContextVar[str] = ContextVar("OWNER", default="")
"""Name of the host whose code runs; empty: the simulation itself."""


MOST_AT_ONCE = 200_000
"""Calls without time passing beyond which somebody runs in a circle."""


RESOLUTION = 1e-9
"""Who waits for less waits for so many seconds: a real clock moves too."""


class CircleError(RuntimeError):
    """Time stands still: somebody has set a timer in the past again and again."""


class _Call(asyncio.TimerHandle):
    """Something that is to be done at a time."""

    __slots__ = ("at", "do", "dropped", "in_context", "with_args")

    def __init__(
        self, at: float, do: Callable[..., object], args: tuple[object, ...], context: Context
    ) -> None:
        # What asyncio's own handle holds besides is for its own loops: nothing here reads it.
        self.at, self.do, self.with_args, self.in_context = at, do, args, context
        self.dropped = False

    def cancel(self) -> None:
        self.dropped, self.do, self.with_args = True, _nothing, ()

    def cancelled(self) -> bool:
        return self.dropped

    def when(self) -> float:
        return self.at

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<call of {self.do} at {self.at}>"


def _nothing() -> None: ...


def _forget(call: _Call) -> None:
    """Drop a call of a dead host; a task that had not begun shall not be missed."""
    task = getattr(call.do, "__self__", None)
    work = task.get_coro() if isinstance(task, asyncio.Task) else None
    if isinstance(work, CoroutineType) and getcoroutinestate(work) == CORO_CREATED:
        work.close()


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is due in order of time, and of asking where the time is the same."""

    def __init__(self) -> None:
        super().__init__()
        self.set_debug(False)
        self.events = 0
        """Calls made so far."""
        self.failures: list[str] = []
        """What went wrong in calls; a simulation that is right has none."""
        self._now = 0.0
        self._since = 0
        """`events` when time last moved."""
        self._count = 0
        self._heap: list[tuple[float, int, _Call]] = []
        self._soon: deque[_Call] = deque()
        self._halted: dict[str, deque[_Call] | None] = {}

    def __del__(self) -> None:
        """Nothing is open that had to be closed."""

    # --- asyncio

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        call = _Call(self._now, callback, args, context or copy_context())
        self._soon.append(call)
        return call

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        call = _Call(when, callback, args, context or copy_context())
        self._count += 1
        heappush(self._heap, (when, self._count, call))
        return call

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        later = max(delay, RESOLUTION)
        return self.call_at(self._now + later, callback, *args, context=context)

    def call_exception_handler(self, context: Mapping[str, object]) -> None:
        message = str(context.get("message"))
        if "destroyed but it is pending" not in message:  # that of a dead host
            self.failures.append(f"{message}: {context.get('exception')!r}")

    # --- the simulation

    def run_until(self, end: float) -> None:
        """Do everything that is due until `end`, which is the time then."""
        _set_running_loop(self)
        try:
            while True:
                while self._soon:
                    self._make(self._soon.popleft())
                if not self._heap or self._heap[0][0] > end:
                    break
                when, _, call = heappop(self._heap)
                if when > self._now:
                    self._now, self._since = when, self.events
                elif self.events > self._since + MOST_AT_ONCE:
                    raise CircleError(f"at {self._now} somebody runs in a circle: {call}")
                self._make(call)
            self._now = end
        finally:
            _set_running_loop(None)

    def halt(self, owner: str, *, for_good: bool) -> None:
        """Do nothing more for a host; what falls due meanwhile is kept until `go_on`, or never."""
        self._halted[owner] = None if for_good else deque()

    def go_on(self, owner: str) -> None:
        """Do at once what fell due while the host was halted."""
        self._soon.extend(self._halted.pop(owner) or ())

    def _make(self, call: _Call) -> None:
        if call.dropped:
            return
        context = call.in_context
        if self._halted and (owner := context.get(OWNER)) in self._halted:
            kept = self._halted[owner]
            if kept is None:
                _forget(call)
            else:
                kept.append(call)
            return
        self.events += 1
        try:
            context.run(call.do, *call.with_args)
        except Exception as error:  # told by whoever runs the simulation
            self.call_exception_handler({"message": f"{call}", "exception": error})

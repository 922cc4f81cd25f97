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


class _Timer(asyncio.TimerHandle):
    """What whoever asked for a call can cancel it with."""

    __slots__ = ("at", "dropped")

    def __init__(self, at: float) -> None:
        # What asyncio's own handle holds besides is for its own loops: nothing here reads it.
        self.at, self.dropped = at, False

    def cancel(self) -> None:
        self.dropped = True

    def cancelled(self) -> bool:
        return self.dropped

    def when(self) -> float:
        return self.at

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<call at {self.at}>"


_Call = tuple[float, int, _Timer | None, Callable[..., object], tuple[object, ...], Context]
"""What is to be done: when, and as the how manieth that was asked for, which orders the heap; its
handle, if anybody can cancel it; the function, its arguments and its context."""


def _forget(call: _Call) -> None:
    """Drop a call of a dead host; a task that had not begun shall not be missed."""
    task = getattr(call[3], "__self__", None)
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
        self.now = 0.0
        """Seconds since the simulation began."""
        self._since = 0
        """`events` when time last moved."""
        self._count = 0
        self._heap: list[_Call] = []
        self._soon: deque[_Call] = deque()
        self._context: Context | None = None
        """That of the call which is being made."""
        self.after: dict[str, Callable[[], object]] = {}
        """What is to be called after each call of these hosts, by name."""
        self._halted: dict[str, deque[_Call] | None] = {}

    def __del__(self) -> None:
        """Nothing is open that had to be closed."""

    # --- asyncio

    def time(self) -> float:
        return self.now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        timer = _Timer(self.now)
        context = context or self._context or copy_context()
        self._soon.append((self.now, 0, timer, callback, args, context))
        return timer

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = _Timer(when)
        self._count += 1
        # The daemons' code sets no context variable: who is called back needs no copy of its own.
        context = context or self._context or copy_context()
        heappush(self._heap, (when, self._count, timer, callback, args, context))
        return timer

    def carry(
        self,
        when: float,
        take: Callable[[bytes | None], None],
        data: bytes | None,
        context: Context,
    ) -> None:
        """Call `take` with what arrives then, as `call_at` does; it cannot be cancelled."""
        self._count += 1
        heappush(self._heap, (when, self._count, None, take, (data,), context))

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        later = max(delay, RESOLUTION)
        return self.call_at(self.now + later, callback, *args, context=context)

    def call_exception_handler(self, context: Mapping[str, object]) -> None:
        message = str(context.get("message"))
        if "destroyed but it is pending" not in message:  # that of a dead host
            self.failures.append(f"{message}: {context.get('exception')!r}")

    # --- the simulation

    def run_until(self, end: float) -> None:
        """Do everything that is due until `end`, which is the time then."""
        _set_running_loop(self)
        heap, soon = self._heap, self._soon
        try:
            while True:
                while soon:
                    self._make(soon.popleft())
                if not heap or heap[0][0] > end:
                    break
                call = heappop(heap)
                if call[0] > self.now:
                    self.now, self._since = call[0], self.events
                elif self.events > self._since + MOST_AT_ONCE:
                    raise CircleError(f"at {self.now} somebody runs in a circle: {call[3]}")
                self._make(call)
            self.now = end
        finally:
            self._context = None
            _set_running_loop(None)

    def halt(self, owner: str, *, for_good: bool) -> None:
        """Do nothing more for a host; what falls due meanwhile is kept until `go_on`, or never."""
        self._halted[owner] = None if for_good else deque()

    def go_on(self, owner: str) -> None:
        """Do at once what fell due while the host was halted."""
        self._soon.extend(self._halted.pop(owner) or ())

    def _make(self, call: _Call) -> None:
        _, _, timer, do, args, context = call
        if timer is not None and timer.dropped:
            return
        owner = context.get(OWNER, "")
        if owner in self._halted:
            kept = self._halted[owner]
            if kept is None:
                _forget(call)
            else:
                kept.append(call)
            return
        self.events += 1
        self._context = context
        try:
            context.run(do, *args)
        except Exception as error:  # told by whoever runs the simulation
            self.call_exception_handler({"message": f"{do}", "exception": error})
        if owner in self.after:
            self.after[owner]()

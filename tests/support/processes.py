"""Processes of a test: each has its own process group and log file, and is ended by its id."""

import contextlib
import os
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol, Self

Wrap = Callable[[Sequence[str]], list[str]]
"""Turns a command line into one that runs elsewhere, in a network namespace say."""

LAUNCHED: list["Process"] = []
"""What the present test has started, for the report when it fails."""


class BenchError(Exception):
    """The bench, not the product, could not do its part."""


class Child(Protocol):
    """What `Process` needs of `subprocess.Popen`."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


def wait_until(
    condition: Callable[[], bool], timeout: float, what: str, interval: float = 0.05
) -> None:
    """Poll `condition` until it holds; fail with `what` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"after {timeout} s still waiting: {what}")
        time.sleep(interval)


class Process:
    """One child process; its output goes line by line to `log` and can be waited for.

    `log` holds standard output and standard error in the order in which they came.
    """

    def __init__(
        self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.argv, self.log = list(argv), log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.popen = self.launch(env or {})
        assert self.popen.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.popen.stdout,), daemon=True)
        self._reader.start()
        LAUNCHED.append(self)

    def launch(self, env: Mapping[str, str]) -> Child:
        """Start it, with `env` added to the environment, as leader of its own session."""
        return subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, None while the process runs."""
        return self.popen.poll()

    def _read(self, stream: IO[bytes]) -> None:
        with self.log.open("ab", buffering=0) as log:
            for line in stream:
                log.write(line)
                text = line.decode("utf-8", "replace").rstrip("\n")
                self.on_line(text, time.monotonic() - self.started)
                self._lines.put(text)
        self._lines.put(None)

    def on_line(self, line: str, at: float) -> None:
        """Override to see each line, in the reader's thread, `at` seconds after the start."""

    def expect(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait for the next line of output that matches; lines before it are passed over."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise BenchError(f"no {pattern!r} in {timeout} s from {self}") from None
            if line is None:
                self._lines.put(None)
                raise BenchError(f"no {pattern!r}: {self} ended ({self.popen.wait()})")
            if found := re.search(pattern, line):
                return found

    def write(self, line: str) -> None:
        """Write one line to the process's standard input."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children, if it still runs."""
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # a nursery may have reaped it by now
                os.killpg(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Wait for the end by itself; return the exit code."""
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self} still runs after {timeout} s") from None
        self._finished()
        return code

    def terminate(self, timeout: float = 5.0, first: signal.Signals = signal.SIGTERM) -> int:
        """Ask for the end, insist after `timeout` seconds; return the exit code (-9: insisted)."""
        self.send(first)
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
        return self.wait(30)

    def kill(self) -> None:
        """End the process at once."""
        self.send(signal.SIGKILL)
        self.wait(30)

    def _finished(self) -> None:
        self._reader.join(5)
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # what it left unread is of no use now
                    stream.close()

    def text(self) -> str:
        """All output so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def tail(self, lines: int = 40) -> str:
        """Return the last lines of output."""
        return "\n".join(self.text().splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.terminate()
        else:
            self._finished()

    def __str__(self) -> str:
        return f"{Path(self.argv[0]).name} (pid {self.pid}, log {self.log.name})"


def end_all() -> None:
    """End what is left over from this test, newest first."""
    while LAUNCHED:
        process = LAUNCHED.pop()
        if process.popen.poll() is None:
            process.kill()
        process.wait(5)  # closes its files, whoever has ended it

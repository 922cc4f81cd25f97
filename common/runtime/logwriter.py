"""The handler behind all logs: once a daemon runs, a thread writes, and the daemon never waits.

Rules
-----
1. Who stops reading (Ctrl-S, a pager, a journal that hangs) stops the thread and nothing else.
   `MOST_WAITING` lines wait for the reader; what comes then is left out and counted, and the next
   line that finds room has one before it that says how many are missing.
2. Until `write_behind` each line is written at once: what is wrong before a daemon runs is told
   without a thread, and a process may fork.
3. What was logged is written before the process ends, if that takes `WRITTEN_WITHIN` at most.
"""

import contextlib
import logging
import os
import queue
import threading
import time
from typing import TextIO

MOST_WAITING = 4096
"""Lines that may wait for a reader."""
WRITTEN_WITHIN = 1.0
"""Seconds that the end of the process waits for the last lines."""
_LOOK_EVERY = 0.005
_MOST_AT_ONCE = 256
"""Lines of one write."""


class LogWriter(logging.StreamHandler[TextIO]):
    """Writes to a stream: at once or, from `write_behind` on, in the order of the calls."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: queue.SimpleQueue[str] | None = None
        # Each is counted up by one side only, under no lock: a signal handler may log too.
        self._taken = self._written = 0
        self._missing = 0

    def write_behind(self) -> None:
        """Leave the writing to a thread from now on; not where the stream is no open file."""
        if self._lines is None:
            with contextlib.suppress(OSError, ValueError, RuntimeError):  # or no thread is left
                lines, number = queue.SimpleQueue[str](), self.stream.fileno()
                threading.Thread(
                    target=self._write, args=(lines, number), name="log", daemon=True
                ).start()
                self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or let it wait."""
        if self._lines is None:
            super().emit(record)
            return
        if self._lines.qsize() >= MOST_WAITING:
            self._missing += 1
            return
        if self._missing:
            self._put(self._lines, _gap(self._missing))
            self._missing = 0
        self._put(self._lines, record)

    def _put(self, lines: "queue.SimpleQueue[str]", record: logging.LogRecord) -> None:
        try:
            text = self.format(record) + self.terminator
        except Exception:
            self.handleError(record)
            return
        self._taken += 1
        lines.put(text)

    def flush(self) -> None:
        """Wait until all is written, `WRITTEN_WITHIN` seconds at most."""
        if self._lines is None:
            super().flush()
            return
        until = time.monotonic() + WRITTEN_WITHIN
        while self._written < self._taken and time.monotonic() < until:
            time.sleep(_LOOK_EVERY)

    def _write(self, lines: "queue.SimpleQueue[str]", number: int) -> None:
        # Not through the stream: its lock would be held while nobody reads, and Python's end
        # wants that lock.
        while True:
            batch = [lines.get()]
            with contextlib.suppress(queue.Empty):
                while len(batch) < _MOST_AT_ONCE:
                    batch.append(lines.get_nowait())
            _write_all(number, "".join(batch).encode(errors="backslashreplace"))
            self._written += len(batch)


def _gap(missing: int) -> logging.LogRecord:
    said = "%d lines are missing here: nobody read the log, or too slowly"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, said, (missing,), None)


def _write_all(number: int, data: bytes) -> None:
    """Write to an open file; what it does not take for another reason than time is lost."""
    while data:
        try:
            data = data[os.write(number, data) :]
        except BlockingIOError:  # a file that others have made non-blocking
            time.sleep(_LOOK_EVERY)
        except OSError:  # a full disk, a reader that has gone
            return

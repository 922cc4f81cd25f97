"""Logs: one line per event to standard error, as text or JSON, with no credentials in it.

Rules
-----
1. An event is one line. Exceptions of known types (ours, OSError) become a part of it; only the
   traceback of a bug takes more lines in text, and a field of its own in JSON.
2. What a peer sent cannot begin a line that looks like an event: control characters are escaped,
   and a traceback is indented.
3. A line names the channel, the stripe and the node that it concerns, each in a field of its own
   (`extra=`). The node is the one that logs; at the server proxy the one that the line is about.
4. `rtsp://user:password@host/` is written as `rtsp://***@host/`, wherever it comes from. This is
   the last defence: whoever logs a URL takes the credentials out first.
5. A daemon waits for no reader of its log: a thread writes (`logwriter`).
"""

import json
import logging
import os
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import Literal, TextIO

from common.errors import ProxyError
from common.runtime.logwriter import LogWriter

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

FIELDS = ("channel", "stripe", "node")
"""What `extra=` gives under these names stands first; all else follows in its order."""

_NO_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""syslog(3)'s, by level."""
_CREDENTIALS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,15}://)[^\s/]*@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""C0, C1, line ends, and the marks that turn the direction of what follows."""


def redact(text: str) -> str:
    """Return `text` with `***` for the credentials of every URL in it."""
    return _CREDENTIALS.sub(r"\1***@", text)


def one_line(text: str) -> str:
    """Return `text` redacted, with its control characters escaped."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], redact(text))


def configure(level: LogLevel, style: LogFormat, stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (standard error), replacing earlier settings."""
    handler = _writer(stream or sys.stderr)
    formatter: logging.Formatter = JsonFormatter() if style == "json" else TextFormatter()
    handler.setFormatter(_Prioritized(formatter) if _is_journal(handler.stream) else formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        if old is not handler:
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def write_behind() -> None:
    """Let a thread write from now on: a daemon runs, and waits for no reader of its log."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogWriter):
            handler.write_behind()


def flush() -> None:
    """Wait until what was logged is written, `logwriter.WRITTEN_WITHIN` seconds at most."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _writer(stream: TextIO) -> LogWriter:
    """Return the one that writes there already, whose lines may still wait, or a new one."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogWriter) and handler.stream is stream:
            return handler
    return LogWriter(stream)


def _is_journal(stream: TextIO) -> bool:
    """Whether systemd's journal reads the stream (systemd.exec(5), $JOURNAL_STREAM)."""
    try:
        stat = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


class _Prioritized(logging.Formatter):
    """Puts before each line what the journal takes for its priority (sd-daemon(3))."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines with their priority, which the journal takes off again."""
        mark = f"<{_PRIORITIES.get(record.levelname, 6)}>"
        return "\n".join(mark + line for line in self._inner.format(record).split("\n"))


class TextFormatter(logging.Formatter):
    """`TIME LEVEL logger channel=… stripe=… node=… …: message: error`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a bug's traceback follows it."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname:<7} {record.name}{fields}: {_message(record)}"
        trace = (f"  {one_line(part)}" for part in _traceback(record).splitlines())
        return "\n".join([one_line(line), *trace])


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, logger, message, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object on one line."""
        event: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": one_line(_message(record)),
        }
        for name, value in _fields(record).items():
            event[name] = value if isinstance(value, int) else one_line(str(value))
        if trace := _traceback(record):
            event["traceback"] = redact(trace)
        return json.dumps(event)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, object]:
    values = vars(record)
    names = dict.fromkeys((*FIELDS, *values))
    return {name: values[name] for name in names if name in values and name not in _NO_FIELDS}


def _message(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return record.getMessage()
    return f"{record.getMessage()}: {str(error) or type(error).__name__}"


def _traceback(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    if error is None or isinstance(error, ProxyError | OSError):
        return ""
    return "".join(traceback.format_exception(error)).rstrip()

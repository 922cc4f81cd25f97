"""Logs: one line per event to standard error, as text or JSON, with no credentials in it.

Rules
-----
1. An event is one line. Exceptions of known types (ours, OSError) become a part of it; only the
   traceback of a bug takes more lines in text, and a field of its own in JSON.
2. What a peer sent cannot begin a line of its own: control characters are escaped.
3. `rtsp://user:password@host/` is written as `rtsp://***@host/`, wherever it comes from. This is
   the last defence: whoever logs a URL takes the credentials out first.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Literal, TextIO

from common.errors import ProxyError

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

FIELDS = ("channel", "stripe", "node")
"""Fields that stand first; all others that `bind` or `extra=` give follow in their order."""

_NO_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_CREDENTIALS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,15}://)[^\s/]*@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def redact(text: str) -> str:
    """Return `text` with `***` for the credentials of every URL in it."""
    return _CREDENTIALS.sub(r"\1***@", text)


def one_line(text: str) -> str:
    """Return `text` redacted, with its control characters escaped."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], redact(text))


class Bound(logging.LoggerAdapter[logging.Logger]):
    """A logger with fields that each of its records carries."""

    def process(
        self, msg: object, kwargs: MutableMapping[str, object]
    ) -> tuple[object, MutableMapping[str, object]]:
        """Add the fields; those of the single call win."""
        extra = kwargs.get("extra")
        own = extra if isinstance(extra, Mapping) else {}
        kwargs["extra"] = {**(self.extra or {}), **own}
        return msg, kwargs


def bind(log: logging.Logger | Bound, **fields: object) -> Bound:
    """Return a logger whose records carry `fields` (channel, stripe, node) too."""
    if isinstance(log, Bound):
        return Bound(log.logger, {**(log.extra or {}), **fields})
    return Bound(log, fields)


def configure(level: LogLevel, style: LogFormat, stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (standard error), replacing earlier settings."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


class TextFormatter(logging.Formatter):
    """`TIME LEVEL logger channel=… stripe=… node=… …: message: error`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a bug's traceback follows it."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname:<7} {record.name}{fields}: {_message(record)}"
        return "\n".join([one_line(line), *map(redact, _traceback(record).splitlines())])


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

"""What a command says, on a standard output or error that may be full, closed or read by nobody.

Rules
-----
1. Where nobody reads it any more (`| head`), the rest goes nowhere, quietly.
2. What else keeps it from being written is an OutputError: one sentence, exit code 1.
3. Signs that the encoding lacks are replaced.
4. Standard error is for people: what it cannot take is not worth an end.
"""

import os
import sys
from contextlib import suppress
from typing import TextIO

from common.errors import ProxyError
from common.runtime.log import one_line

_INSTEAD = str.maketrans({"…": "~", "·": "|", "→": ">", "±": "~"})


class OutputError(ProxyError):
    """Standard output does not take what is to be said; `str()` says why."""


def standard() -> TextIO:
    """Return standard output. Raises OutputError where the command was started without one."""
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise OutputError("cannot write the output: standard output is closed")
    return stream


def write(text: str, stream: TextIO | None = None) -> None:
    """Write to standard output, or to the stream that stands for it. Raises OutputError."""
    stream = stream or standard()
    try:
        stream.write(encodable(text, stream))
        stream.flush()
    except BrokenPipeError:
        _turn_away(stream)
    except OSError as error:
        _turn_away(stream)
        raise OutputError(f"cannot write the output: {error.strerror or error}") from error


def complain(text: str) -> None:
    """Write a sentence to standard error, if that takes it."""
    stream: TextIO | None = sys.stderr
    with suppress(OSError):
        if stream is not None:
            stream.write(encodable(f"{one_line(text)}\n", stream))
            stream.flush()


def encodable(text: str, stream: TextIO) -> str:
    """Return `text` with other signs for those that the stream's encoding lacks, one for one."""
    encoding = stream.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_INSTEAD).encode(encoding, "replace").decode(encoding)
    return text


def _turn_away(stream: TextIO) -> None:
    """Let what is left go nowhere: Python writes it at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)

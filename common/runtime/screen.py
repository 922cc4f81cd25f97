"""Standard output: a picture that is drawn again in its place on a terminal, lines elsewhere."""

import os
import shutil
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TextIO

from common.runtime import output
from common.runtime.log import one_line
from common.runtime.table import Line, Tone

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
"""The alternate screen of a terminal, without a cursor, lines cut at the edge."""
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_PAINT: Mapping[Tone, str] = {"head": "\x1b[1m", "good": "\x1b[32m", "bad": "\x1b[31m"}
_PLAIN = "\x1b[0m"
WIDTH_ELSEWHERE = 100
"""Columns where there is no terminal, and COLUMNS does not say."""


class Screen:
    """Shows lines; as a context manager it is redrawn at each `show` where that can be done."""

    def __init__(
        self, stream: TextIO | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        """Take standard output, unless told otherwise. Raises OutputError, like `show`."""
        self._stream = stream or output.standard()
        self.is_terminal = self._stream.isatty() and environment.get("TERM", "dumb") != "dumb"
        self._colours = self.is_terminal and not environment.get("NO_COLOR")
        self._in_place = False

    @property
    def size(self) -> tuple[int, int | None]:
        """Columns, and lines where what is shown must fit."""
        columns, lines = shutil.get_terminal_size((WIDTH_ELSEWHERE, 24))
        return columns, lines if self._in_place else None

    def __enter__(self) -> Self:
        if self.is_terminal:
            self._in_place = True
            self._write(_ENTER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._in_place:
            self._in_place = False
            self._write(_LEAVE)

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines, in the place of those before."""
        texts = [self._painted(line) for line in lines]
        if self._in_place:
            body = f"{_CLEAR_LINE}\n".join(texts)
            self._write(f"{_HOME}{body}{_CLEAR_LINE}{_CLEAR_BELOW}")
        else:
            self._write("".join(f"{text}\n" for text in texts))

    def _painted(self, line: Line) -> str:
        text = one_line(line.text)
        if self._colours and line.tone:
            return f"{_PAINT[line.tone]}{text}{_PLAIN}"
        return text

    def _write(self, text: str) -> None:
        output.write(text, self._stream)

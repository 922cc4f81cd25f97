"""The terminal: Ctrl-C goes to the demo alone, and lines are redrawn in place."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from typing import TextIO

from common.runtime import output, screen
from common.runtime.table import Line, fitted

_REDRAW = "\x1b[{}F\x1b[J"


@contextlib.contextmanager
def in_front() -> Iterator[None]:
    """Be the terminal's foreground process group meanwhile, where the demo's parent was.

    make, which got Ctrl-C too otherwise, would end with an error although the demo ends well.
    """
    before = os.getpgrp()
    with contextlib.ExitStack() as undo:
        try:
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            terminal = None
        if terminal is not None:
            undo.callback(os.close, terminal)
            if before != os.getpid() and os.tcgetpgrp(terminal) == before:
                signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # tcsetpgrp from the background
                signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # make would not see that we stopped
                os.setpgid(0, 0)
                os.tcsetpgrp(terminal, os.getpid())
                undo.callback(os.tcsetpgrp, terminal, before)
        yield


class Screen(screen.Screen):
    """Standard output: a table that stays in its place on a terminal, below what was said.

    Raises BrokenPipeError where nobody reads any more: then nobody sees the demo.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._drawn = 0

    def say(self, *lines: str) -> None:
        """Print lines at once."""
        self._write("".join(f"{line}\n" for line in lines))

    def show(self, lines: Sequence[Line]) -> None:
        """Show lines in the place of those that were shown before, the last line left free."""
        if not self.is_terminal:
            super().show([*lines, Line("")])
            return
        columns, height = shutil.get_terminal_size()
        lines = fitted(lines, columns - 1, height - 1)
        self._write(_REDRAW.format(self._drawn) if self._drawn else "")
        super().show(lines)
        self._drawn = len(lines)

    def _write(self, text: str) -> None:
        self._stream.write(output.encodable(text, self._stream))
        self._stream.flush()

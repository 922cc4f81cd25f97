"""The terminal: Ctrl-C goes to the demo alone, and lines are redrawn in place."""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence

from scripts.demo import view

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


class Screen:
    """Standard output: a table that stays in its place on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn = 0

    def say(self, *lines: str) -> None:
        """Print lines at once."""
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def show(self, lines: Sequence[str]) -> None:
        """Show lines in the place of those that were shown before."""
        if not self.is_terminal:
            self.say(*lines, "")
            return
        lines = view.fitted(lines, *shutil.get_terminal_size())
        sys.stdout.write(_REDRAW.format(self._drawn) if self._drawn else "")
        self.say(*lines)
        self._drawn = len(lines)

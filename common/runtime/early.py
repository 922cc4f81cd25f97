"""The first moments of a command: Ctrl-C ends it quietly while Python still loads the rest.

Nothing is imported here that takes time. Before the first line of a command runs, Python itself is
being loaded, and its own handler speaks.
"""

import os
import signal
from types import FrameType


def end_at_once(code: int) -> None:
    """Let SIGTERM and SIGINT end the process with this exit code, until others take over.

    It ends where it stands: what an exception may do within an import is anybody's guess, and
    nothing is open yet. SIGHUP waits for a daemon that can reload.
    """

    def ended(_number: int, _frame: FrameType | None) -> None:
        os._exit(code)

    signal.signal(signal.SIGINT, ended)
    signal.signal(signal.SIGTERM, ended)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

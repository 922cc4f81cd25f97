"""What a service manager is told: sd_notify(3), one datagram to the socket in NOTIFY_SOCKET.

Rules
-----
1. Without NOTIFY_SOCKET nothing is done: the daemon was started by hand.
2. WATCHDOG=1 comes from the event loop and from nowhere else, and only while the daemon's own tick
   runs. One that hangs says nothing, and systemd ends and restarts it after WATCHDOG_USEC.
3. Nobody waits for the service manager: what its socket does not take at once is lost, and said
   again (the state) or logged (a step).
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator

from common.runtime.log import one_line

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two looks at what the daemon says of itself; less where the watchdog wants it."""

MAX_SENTENCE = 240
"""Characters of STATUS= at most: one line of `systemctl status`."""


def notify(*assignments: str) -> bool:
    """Send assignments such as `READY=1`; return whether they went or there is nobody to tell."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return True
    try:
        with _socket() as sock:
            return _tell(sock, *assignments)
    except OSError as error:  # no file is left for a socket
        log.debug("the service manager was not told %s: %s", assignments[0], error)
        return False


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


def _tell(sock: socket.socket, *assignments: str) -> bool:
    try:
        sock.sendto("\n".join(assignments).encode(), _address(os.environ["NOTIFY_SOCKET"]))
    except OSError as error:
        log.debug("the service manager was not told %s: %s", assignments[0], error)
        return False
    return True


def _address(path: str) -> str:
    return "\0" + path[1:] if path.startswith("@") else path


def status(sentence: str) -> str:
    """Return the assignment that shows `sentence` in `systemctl status`, on one line."""
    line = one_line(sentence)
    return f"STATUS={line if len(line) <= MAX_SENTENCE else line[: MAX_SENTENCE - 1] + '…'}"


@contextlib.contextmanager
def reloading() -> Iterator[None]:
    """Tell that the configuration is read anew, and afterwards that this is over."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        yield
    finally:
        notify("READY=1")


async def keep_informed(
    sentence: Callable[[], str], beats: Callable[[], int] | None = None
) -> None:
    """Say that the daemon is ready, then how it does and that its loop runs, until cancelled.

    That it runs is said only where what `beats` returns has changed since the last time.
    """
    if not os.environ.get("NOTIFY_SOCKET"):
        return
    pause, said, watchdog, beat = _pause(), "", _watchdog(), -1
    with _socket() as sock:  # kept: a daemon with no file left is none that hangs
        if not _tell(sock, "READY=1"):
            log.warning("the service manager could not be told that the daemon is ready")
        while True:
            news, before = status(sentence()), beat
            beat = before + 1 if beats is None else beats()
            runs = watchdog and beat != before
            assignments = ([news] if news != said else []) + (["WATCHDOG=1"] if runs else [])
            if assignments and _tell(sock, *assignments):
                said = news
            await asyncio.sleep(pause)


def _watchdog() -> float:
    """Return the seconds after which systemd takes silence for death, 0 where it does not watch."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    microseconds = os.environ.get("WATCHDOG_USEC", "0")
    return int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0


def _pause() -> float:
    """Return seconds between two words: at least three in each time that systemd waits."""
    watchdog = _watchdog()
    return min(LOOK, watchdog / 3) if watchdog else LOOK

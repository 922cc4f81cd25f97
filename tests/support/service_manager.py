"""Stands in for systemd: the socket that sd_notify(3) writes to, a real AF_UNIX datagram socket."""

import os
import re
import socket
import time
from collections import deque
from itertools import count
from typing import Self

from tests.support.processes import BenchError

_NUMBERS = count()


class ServiceManager:
    """Hears what a daemon says. `with` closes the socket."""

    def __init__(self, *, watchdog: float | None = None) -> None:
        """`watchdog`: seconds without WATCHDOG=1 after which systemd would end the daemon."""
        name = f"stripecast-test-{os.getpid()}-{next(_NUMBERS)}"
        self.env = {"NOTIFY_SOCKET": f"@{name}"}
        """What the daemon has to find in its environment."""
        if watchdog is not None:
            self.env["WATCHDOG_USEC"] = str(round(watchdog * 1e6))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{name}")
        self._heard: deque[str] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def next(self, timeout: float) -> str | None:
        """Return the next assignment, None where none comes within `timeout` seconds."""
        if not self._heard:
            self._socket.settimeout(timeout)
            try:
                self._heard.extend(self._socket.recv(65536).decode().split("\n"))
            except (TimeoutError, BlockingIOError):
                return None
        return self._heard.popleft()

    def expect(self, pattern: str, timeout: float = 60.0) -> str:
        """Wait for an assignment that matches as a whole; those before it are passed over."""
        end = time.monotonic() + timeout
        passed: list[str] = []
        while (left := end - time.monotonic()) > 0:
            if (said := self.next(left)) is None:
                break
            if re.fullmatch(pattern, said):
                return said
            passed.append(said)
        raise BenchError(f"no {pattern!r} in {timeout} s, but {passed[-10:]}")

    def drain(self) -> list[str]:
        """Return all that has been said until now."""
        said: list[str] = []
        while (one := self.next(0.0)) is not None:
            said.append(one)
        return said

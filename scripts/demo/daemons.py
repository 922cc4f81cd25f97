"""The daemons of the demo as processes: started, asked how they do, ended.

Each is in a process group of its own, so that Ctrl-C in the terminal reaches the demo alone: a
daemon that got it too would take the demo's SIGTERM for a second one and end at once.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec

from common.runtime.daemon import ENDED, FAILED, GRACE

ANY_PORT = "127.0.0.1:0"
ANSWER_WITHIN = 2.0
LAST_LINES = 5
_PR_SET_PDEATHSIG = 1

T = TypeVar("T")


class _LogLine(msgspec.Struct):
    """The part of a daemon's JSON log line that the demo reads."""

    message: str
    level: str = ""
    overlay: str = ""
    rtsp: str = ""
    http: str = ""


class DemoError(Exception):
    """The demo cannot go on; `str()` says why, `code` is its exit code."""

    def __init__(self, why: str, code: int = FAILED) -> None:
        super().__init__(why)
        self.code = code


def _end_with_parent() -> None:
    """Let the kernel send SIGTERM where the demo dies without a chance to do so (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Daemon:
    """One `serverproxy run` or `clientproxy run`; its log is the file `NAME.log`."""

    def __init__(self, name: str, program: str, args: Sequence[str], logs: Path) -> None:
        """Start it on ports that it chooses itself, but for those that `args` name."""
        self.name = name
        self.log = logs / f"{name.replace(' ', '-')}.log"
        self.overlay = self.rtsp = self.http = ""
        """HOST:PORT each, once it listens."""
        fixed = ["--listen", ANY_PORT, "--http", ANY_PORT, "--log-format", "json"]
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own programs
                [sys.executable, "-m", program, "run", *args, *fixed],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                process_group=0,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - no other thread runs yet
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def listens(self) -> bool:
        """Return whether its log says where it listens; `overlay`, `rtsp`, `http` say it then."""
        for text in self.log.read_bytes().splitlines():
            with suppress(msgspec.DecodeError):
                line = msgspec.json.decode(text, type=_LogLine)
                if line.message == "listening":
                    self.overlay, self.rtsp, self.http = line.overlay, line.rtsp, line.http
                    return True
        return False

    def check(self, *, ended_well: bool = False) -> None:
        """Raise DemoError if it has ended, or has not `ended_well`."""
        # SIGTERM ends without ceremony who has not yet begun.
        if (code := self.exit_code) is None or (ended_well and code in (ENDED, -signal.SIGTERM)):
            return
        text = "".join(f"\n  {line}" for line in self.last_lines())
        raise DemoError(f"{self.name} has ended with exit code {code}; the end of its log:{text}")

    def last_lines(self) -> list[str]:
        """Return the last lines of its log, as a reader wants them."""
        found = []
        for text in self.log.read_text("utf-8", "replace").splitlines()[-LAST_LINES:]:
            try:
                line = msgspec.json.decode(text, type=_LogLine)
            except msgspec.DecodeError:
                found.append(text)
            else:
                found.append(f"{line.level}: {line.message}")
        return found

    async def get(self, web: aiohttp.ClientSession, path: str, shape: type[T]) -> T | None:
        """Return what its HTTP API says, None where it does not answer in time."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN), web.get(f"http://{self.http}{path}") as got:
                return msgspec.json.decode(await got.read(), type=shape)
        except (OSError, aiohttp.ClientError, msgspec.DecodeError):  # TimeoutError is an OSError
            return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it may have started."""
        if self.exit_code is None:
            os.killpg(self._process.pid, number)

    async def end(self) -> None:
        """Ask for the end; insist where that takes too long."""
        self.signal(signal.SIGTERM)
        await asyncio.to_thread(self._insist)

    def _insist(self) -> None:
        try:
            self._process.wait(GRACE + 1)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait()

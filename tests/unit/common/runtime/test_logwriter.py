"""A log that nobody reads, in a process of its own: a thread that hangs is none of pytest's."""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.runtime.daemon import GRACE
from common.runtime.logwriter import MOST_WAITING, LogWriter

ROOT = Path(__file__).parents[4]
DAEMON = """
import asyncio, logging, os, sys, time
from common.runtime import daemon, log
area = logging.getLogger("area")
def say(word):
    os.write(1, f"{word}\\n".encode())
async def more():
    return await asyncio.get_running_loop().run_in_executor(None, os.read, 0, 1)
log.configure("info", "text")
area.info("before")
"""
RUN = "\nsys.exit(daemon.run_daemon(main))\n"
LINES_BEYOND = 12_000
"""What no pipe holds, with what may wait."""

Daemon = subprocess.Popen[str]

HANGS = """
    time.sleep(600)
from common.runtime import logwriter
daemon.GRACE, logwriter.WRITTEN_WITHIN = 0.3, 600.0
"""


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    begun: list[Daemon] = []
    yield begun
    for daemon in begun:
        if daemon.poll() is None:
            daemon.kill()
        daemon.communicate()


def _begin(daemons: list[Daemon], main: str) -> Daemon:
    pipe = subprocess.PIPE
    argv = [sys.executable, "-W", "error", "-c", DAEMON + main + RUN]
    daemon = subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    daemons.append(daemon)
    return daemon


def _heard(daemon: Daemon) -> str:
    assert daemon.stdout is not None
    return daemon.stdout.readline().strip()


FLOOD = f"""
async def main(stop):
    for number in range({LINES_BEYOND}):
        area.info("line %d", number)
    say("goes on")
    await stop.wait()
    say("has ended")
"""


def test_a_log_that_nobody_reads_stops_neither_the_daemon_nor_its_end(
    daemons: list[Daemon],
) -> None:
    daemon = _begin(daemons, FLOOD)
    assert _heard(daemon) == "goes on"
    began = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    assert _heard(daemon) == "has ended"
    assert daemon.wait(timeout=60) == 0
    assert time.monotonic() - began < GRACE


def test_an_end_that_hangs_is_cut_short_though_nobody_reads_why(daemons: list[Daemon]) -> None:
    daemon = _begin(daemons, FLOOD + HANGS)
    assert _heard(daemon) == "goes on"
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=60) == 1


def test_lines_come_in_order_and_what_is_missing_is_counted(daemons: list[Daemon]) -> None:
    daemon = _begin(
        daemons,
        f"""
async def main(stop):
    for number in range({LINES_BEYOND}):
        area.info("line %d", number)
    say("goes on")
    await more()
    area.info("read again")
""",
    )
    assert _heard(daemon) == "goes on"
    assert daemon.stderr is not None
    assert daemon.stdin is not None
    lines = [daemon.stderr.readline() for _ in range(MOST_WAITING)]
    daemon.stdin.write("x")
    daemon.stdin.flush()
    lines += daemon.stderr.readlines()
    assert daemon.wait(timeout=60) == 0
    said = [line.rstrip("\n").split(": ", 1)[1] for line in lines]
    written = len(said) - 3
    assert said[:-2] == ["before", *(f"line {number}" for number in range(written))]
    missing = LINES_BEYOND - written
    assert said[-2] == f"{missing} lines are missing here: nobody read the log, or too slowly"
    assert said[-1] == "read again"


@pytest.mark.parametrize(
    "end",
    [
        "return",
        "raise KeyError('x')",
        "os.kill(os.getpid(), 15); await stop.wait()",
        # a look-up that is not waited for: the process ends by os._exit
        "asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)",
    ],
)
def test_what_was_logged_before_the_end_is_written(daemons: list[Daemon], end: str) -> None:
    daemon = _begin(
        daemons,
        f"""
async def main(stop):
    for number in range(200):
        area.info("line %d", number)
    {end}
""",
    )
    _, errors = daemon.communicate(timeout=60)
    assert [line.split(": ", 1)[1] for line in errors.splitlines()[1:201]] == [
        f"line {number}" for number in range(200)
    ]


def test_a_reload_of_the_log_keeps_what_waits(daemons: list[Daemon]) -> None:
    daemon = _begin(
        daemons,
        """
async def main(stop):
    area.info("as text")
    log.configure("info", "json")
    area.info("as JSON")
""",
    )
    _, errors = daemon.communicate(timeout=60)
    assert errors.splitlines()[1].endswith("as text")
    assert '"message": "as JSON"' in errors.splitlines()[2]


def test_a_reader_that_has_gone_stops_nobody(daemons: list[Daemon]) -> None:
    daemon = _begin(daemons, FLOOD)
    assert daemon.stderr is not None
    daemon.stderr.close()
    daemon.stderr = None
    assert _heard(daemon) == "goes on"
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(timeout=60) == 0


def test_where_no_thread_is_to_be_had_lines_are_written_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with (tmp_path / "log").open("w") as file:
        writer = LogWriter(file)
        writer.write_behind()
        writer.emit(logging.makeLogRecord({"msg": "still here"}))
        writer.close()
    assert (tmp_path / "log").read_text() == "still here\n"

"""Each daemon here is a process of its own: its signals and its end are what is tested."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from common.errors import ConfigError, ProxyError
from common.ids import Address
from common.runtime.daemon import GRACE, EndedError, PortError, Stop, opening
from common.runtime.tasks import Tasks

ROOT = Path(__file__).parents[4]

PROLOGUE = """
import asyncio, sys, time
from common.errors import ConfigError, SourceError
from common.runtime import daemon, log
from common.runtime.daemon import Stop
daemon.end_quietly()
log.configure("info", "text")
def say(word):
    print(word, flush=True)
"""
EPILOGUE = """
sys.exit(daemon.run_daemon(main))
"""


class Process:
    """A daemon whose `main` is given as text. `wait` returns exit code and log lines."""

    def __init__(self, main: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROLOGUE + main + EPILOGUE],
            cwd=ROOT,
            env={**os.environ, "PYTHONASYNCIODEBUG": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def heard(self, word: str) -> None:
        """Wait until it has said the word."""
        assert _open(self.process.stdout).readline() == f"{word}\n"

    def send(self, *numbers: signal.Signals) -> None:
        for number in numbers:
            self.process.send_signal(number)

    def wait(self, timeout: float = 60) -> tuple[int, list[str]]:
        _, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, errors.splitlines()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def _open(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[Process] = []

    def started(main: str, **env: str) -> Process:
        processes.append(Process(main, **env))
        return processes[-1]

    yield started
    for process in processes:
        process.close()


WAITS = """
async def main(stop):
    say("up")
    await stop.wait()
    say("ending")
"""

HANGS = """
async def main(stop):
    say("up")
    await stop.wait()
    say("hanging")
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_end_gracefully(start: Start, number: signal.Signals, loop: str) -> None:
    daemon = start(WAITS, STRIPECAST_LOOP=loop)
    daemon.heard("up")
    daemon.send(number)
    daemon.heard("ending")
    code, lines = daemon.wait()
    assert code == 0
    assert [line.split(": ", 1)[1] for line in lines] == [f"{number.name}: ending"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_second_signal_ends_at_once(start: Start, loop: str) -> None:
    daemon = start(HANGS, STRIPECAST_LOOP=loop)
    daemon.heard("up")
    daemon.send(signal.SIGINT)
    daemon.heard("hanging")
    daemon.send(signal.SIGINT)
    assert daemon.wait()[0] == 128 + signal.SIGINT


def test_a_second_signal_ends_a_loop_that_is_blocked(start: Start) -> None:
    daemon = start("""
async def main(stop):
    await asyncio.sleep(0)
    say("up")
    time.sleep(600)
""")
    daemon.heard("up")
    daemon.send(signal.SIGTERM)
    deadline = time.monotonic() + 60
    while daemon.process.poll() is None and time.monotonic() < deadline:
        daemon.send(signal.SIGTERM)  # two that come together count as one
        time.sleep(0.05)
    assert daemon.wait()[0] == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "hanging",
    [
        "await asyncio.Event().wait()",
        "time.sleep(600)",
    ],
)
def test_an_end_that_hangs_is_cut_short(start: Start, hanging: str) -> None:
    daemon = start(f"""
daemon.GRACE = 0.3
async def main(stop):
    say("up")
    await stop.wait()
    {hanging}
""")
    daemon.heard("up")
    daemon.send(signal.SIGTERM)
    code, lines = daemon.wait()
    assert code == 1
    assert lines[-1].endswith("the end took longer than 0.3 s and was cut short")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "lookup",
    [
        "loop.getaddrinfo('camera.example', 554)",
        "loop.create_connection(asyncio.Protocol, 'camera.example', 554)",
        "loop.run_in_executor(None, socket.getaddrinfo, 'camera.example', 554)",
    ],
)
def test_a_name_that_is_looked_up_is_not_waited_for(start: Start, lookup: str, loop: str) -> None:
    """The resolver answers, or gives up, in its own time; uvloop's asks no network here."""
    daemon = start(
        f"""
import socket
socket.getaddrinfo = lambda *a, **k: time.sleep(600)
async def main(stop):
    loop = asyncio.get_running_loop()
    async def look_up():
        await {lookup}
    task = loop.create_task(look_up())
    await asyncio.wait([task], timeout=0.1)
    say("up")
    await stop.wait()
    task.cancel()
    await asyncio.wait([task])
    task.cancelled() or task.exception()
""",
        STRIPECAST_LOOP=loop,
    )
    daemon.heard("up")
    began = time.monotonic()
    daemon.send(signal.SIGTERM)
    code, lines = daemon.wait()
    assert code == 0
    assert [line.split(": ", 1)[1] for line in lines] == ["SIGTERM: ending"]
    assert time.monotonic() - began < GRACE


def test_the_end_takes_five_seconds_at_most() -> None:
    assert GRACE <= 4.5


def test_a_daemon_that_returns_has_ended_as_asked(start: Start) -> None:
    assert start("async def main(stop): pass").wait() == (0, [])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ('SourceError("no way to camera")', "common.runtime.daemon: no way to camera"),
        ('ConnectionRefusedError(111, "refused")', "common.runtime.daemon: [Errno 111] refused"),
        ("TimeoutError()", "common.runtime.daemon: TimeoutError"),
    ],
)
def test_what_fails_is_one_line_and_exit_code_1(start: Start, error: str, line: str) -> None:
    code, lines = start(f"async def main(stop): raise {error}").wait()
    assert code == 1
    assert len(lines) == 1
    assert lines[0].endswith(f"ERROR   {line}")


def test_an_exit_code_that_main_returns_is_that_of_the_process(start: Start) -> None:
    code, _ = start("async def main(stop):\n    return 7").wait()
    assert code == 7


def test_a_bug_is_logged_with_its_traceback(start: Start) -> None:
    code, lines = start("async def main(stop): {}['x']").wait()
    assert code == 1
    assert "the daemon failed: 'x'" in lines[0]
    assert "KeyError: 'x'" in lines[-1]


def test_tasks_that_are_left_are_named(start: Start) -> None:
    code, lines = start("""
kept = []
async def main(stop):
    for name in ("two", "one"):
        kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(600), name=name))
""").wait()
    assert code == 0
    assert len(lines) == 1
    assert lines[0].endswith("WARNING common.runtime.daemon: tasks left at the end: one, two")


def test_an_error_that_only_the_loop_sees_is_logged(start: Start) -> None:
    code, lines = start("""
async def main(stop):
    asyncio.get_running_loop().call_soon(lambda: {}["x"])
    await asyncio.sleep(0.01)
""").wait()
    assert code == 0
    assert "ERROR   common.runtime.daemon: event loop: " in lines[0]


def test_that_no_file_is_left_for_a_connection_is_told_once_in_a_while(start: Start) -> None:
    """Asyncio tells its handler a thousand times in one go."""
    code, lines = start("""
import errno, os
async def main(stop):
    loop = asyncio.get_running_loop()
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    context = {"message": "socket.accept() out of system resource", "exception": error}
    from common.runtime import openfiles
    for told_for in (openfiles.TOLD_FOR, 0.0):
        openfiles.TOLD_FOR = told_for
        for _ in range(1000 if told_for else 1):
            loop.call_exception_handler(context)
""").wait()
    assert code == 0
    assert len(lines) == 2
    assert "no connection can be taken for now: Too many open files; close some" in lines[0]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_that_no_file_is_left_is_told_where_the_loop_is_silent_about_it(
    start: Start, loop: str
) -> None:
    """As libuv is, uvloop's foundation."""
    daemon = start(
        """
import os, resource
from common.runtime import openfiles
openfiles.LOOK_EVERY = 0.01
async def main(stop):
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        while True:
            os.open(os.devnull, os.O_RDONLY)
    except OSError:
        pass
    say("none left")
    await stop.wait()
""",
        STRIPECAST_LOOP=loop,
    )
    daemon.heard("none left")
    line = _open(daemon.process.stderr).readline()
    assert "no connection can be taken for now: Too many open files; close some" in line
    daemon.send(signal.SIGTERM)
    code, lines = daemon.wait()
    assert code == 0
    assert len(lines) == 1  # "SIGTERM: ending": it is not told at every look


def test_a_signal_before_the_loop_runs_ends_quietly(start: Start) -> None:
    daemon = start("say('up')\ntime.sleep(600)\nasync def main(stop): pass")
    daemon.heard("up")
    daemon.send(signal.SIGHUP, signal.SIGINT)
    assert daemon.wait() == (0, [])


def test_sighup_reloads_and_a_bad_file_changes_nothing(start: Start) -> None:
    daemon = start("""
async def main(stop):
    def bad():
        raise ConfigError(["x (line 1): is wrong", "y (line 2): is wrong"])
    stop.on_reload(bad)
    stop.on_reload(lambda: say("reloaded"))
    say("up")
    await stop.wait()
""")
    daemon.heard("up")
    daemon.send(signal.SIGHUP)
    daemon.heard("reloaded")
    daemon.send(signal.SIGTERM)
    code, lines = daemon.wait()
    assert code == 0
    assert [line.split("daemon: ")[1] for line in lines] == [
        "nothing reloaded: x (line 1): is wrong",
        "nothing reloaded: y (line 2): is wrong",
        "SIGTERM: ending",
    ]


async def test_stop_is_set_once_and_for_all() -> None:
    stop = Stop()
    assert not stop.is_set()
    stop.set()
    stop.set()
    assert stop.is_set()
    await asyncio.wait_for(stop.wait(), 60)


@pytest.mark.parametrize("raises", [True, False])
async def test_a_daemon_ends_with_what_it_cannot_do_without(*, raises: bool) -> None:
    stop, tasks = Stop(), Tasks()

    async def tick() -> None:
        if raises:
            raise KeyError("a bug")

    with pytest.raises(EndedError, match="task tick has ended"):
        await asyncio.wait_for(stop.wait(tasks.spawn(tick(), name="tick")), 60)
    assert stop.is_set()


async def test_one_that_ends_with_the_daemon_is_no_fault() -> None:
    stop, tasks = Stop(), Tasks()
    tick = tasks.spawn(asyncio.Event().wait(), name="tick")
    asyncio.get_running_loop().call_later(0.01, stop.set)
    await asyncio.wait_for(stop.wait(tick), 60)
    await tasks.close()


async def test_a_reload_that_fails_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    called: list[int] = []

    def bad() -> None:
        raise ConfigError(["x: is wrong"])

    stop = Stop()
    stop.on_reload(bad)
    stop.on_reload(lambda: called.append(1))
    stop.reload()
    assert called == [1]
    assert caplog.messages == ["nothing reloaded: x: is wrong"]


def test_a_port_that_is_taken_is_one_sentence_with_key_and_flag() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address(*taken.getsockname())
        with pytest.raises(PortError) as refused, opening("rtsp", address):
            socket.create_server(address)
    assert str(refused.value) == (
        f"cannot listen on {address} for rtsp: Address already in use; choose another address"
        " with --rtsp HOST:PORT or the key rtsp (port 0: any free port)"
    )
    assert isinstance(refused.value, ProxyError)


def test_a_name_that_is_no_address_is_one_sentence() -> None:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    sentence = r"cannot listen on host\.invalid:1 for http: Name or service not known; choose"
    with pytest.raises(PortError, match=sentence), opening("http", Address("host.invalid", 1)):
        raise error

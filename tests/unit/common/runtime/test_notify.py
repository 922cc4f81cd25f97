"""What systemd hears, from real processes where a loop hangs."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path

import pytest

from common.runtime import notify
from common.runtime.notify import MAX_SENTENCE, keep_informed, reloading, status
from common.runtime.tasks import Tasks
from tests.support.processes import Process, end_all
from tests.support.service_manager import ServiceManager

ROOT = Path(__file__).parents[4]

DAEMON = """
import asyncio, sys, time
from common.errors import ConfigError, SourceError
from common.runtime import daemon, log
from common.runtime.notify import keep_informed
from common.runtime.tasks import Tasks
log.configure("info", "text")
def say(word):
    print(word, flush=True)
async def serve(stop, sentence):
    tasks = Tasks()
    tasks.spawn(keep_informed(sentence), name="service manager")
    await stop.wait()
    await tasks.close()
{main}
sys.exit(daemon.run_daemon(main))
"""


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceManager]:
    with ServiceManager() as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.env["NOTIFY_SOCKET"])
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield manager


def start(main: str, folder: Path, manager: ServiceManager) -> Process:
    argv = [sys.executable, "-c", DAEMON.format(main=main)]
    return Process(argv, folder / "daemon.log", {"PYTHONPATH": str(ROOT), **manager.env})


def test_a_loop_that_runs_says_so_and_one_that_hangs_does_not(tmp_path: Path) -> None:
    """The whole point of a watchdog: nothing but the loop itself may feed it."""
    with ServiceManager(watchdog=0.9) as systemd:
        daemon = start(
            """
async def main(stop):
    stop.on_reload(lambda: (say("hangs"), time.sleep(3600)))
    await serve(stop, lambda: "well")
""",
            tmp_path,
            systemd,
        )
        systemd.expect("READY=1")
        for _ in range(3):
            systemd.expect("WATCHDOG=1", timeout=30)
        daemon.send(signal.SIGHUP)
        daemon.expect("hangs", 60)
        systemd.drain()
        assert systemd.next(timeout=1.8) is None


def test_pings_come_three_times_in_the_time_that_systemd_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ping that is late by half of that time, on a busy machine, kills nobody."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setenv("NOTIFY_SOCKET", "@stripecast-test-nobody")
    for microseconds in ("", "rubbish", "0", "1500000", "30000000"):
        monkeypatch.setenv("WATCHDOG_USEC", microseconds)
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(keep_informed(lambda: "well"))
    assert pauses == [1.0, 1.0, 1.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("pid", "pings"),
    [(os.getpid(), True), (os.getpid() + 1, False)],
    ids=["ours", "another"],  # the same in all processes that test side by side
)
async def test_a_watchdog_that_is_for_another_process_is_not_fed(
    systemd: ServiceManager, monkeypatch: pytest.MonkeyPatch, pid: int, *, pings: bool
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(pid))
    await _for_a_moment(keep_informed(lambda: "well"))
    assert ("WATCHDOG=1" in systemd.drain()) is pings


async def test_a_tick_that_has_ended_does_not_feed_the_watchdog(
    systemd: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop alone may run on when nothing is done any more."""
    monkeypatch.setattr(notify, "LOOK", 0.0)
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    beats = [2, 2, 2, 1]
    with pytest.raises(IndexError):
        await keep_informed(lambda: "well", beats.pop)
    assert systemd.drain().count("WATCHDOG=1") == 2


async def test_ready_first_then_the_sentence_and_again_only_when_it_changes(
    systemd: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "LOOK", 0.0)
    sentences = ["2 nodes", "2 nodes", "1 node", "1 node"]
    with pytest.raises(IndexError):
        await keep_informed(sentences.pop)
    assert systemd.drain() == ["READY=1", "STATUS=1 node", "STATUS=2 nodes"]


async def test_a_sentence_that_was_not_taken_is_said_again(
    systemd: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket may be full for a moment: nobody waits for it."""
    monkeypatch.setattr(notify, "LOOK", 0.0)
    path = os.environ["NOTIFY_SOCKET"]
    told: list[str] = []

    def sentence() -> str:
        told.append("asked")
        monkeypatch.setenv("NOTIFY_SOCKET", path if len(told) > 1 else "@stripecast-test-nobody")
        if len(told) > 2:
            raise LookupError
        return "well"

    with pytest.raises(LookupError):
        await keep_informed(sentence)
    assert systemd.drain() == ["READY=1", "STATUS=well"]


def test_a_reload_is_told_with_its_time_and_its_end(systemd: ServiceManager) -> None:
    with reloading():
        first, second = systemd.drain()
        assert first == "RELOADING=1"
        assert second.startswith("MONOTONIC_USEC=")
        assert int(second.partition("=")[2]) > 0
    assert systemd.drain() == ["READY=1"]


def test_the_life_of_a_daemon_as_systemd_sees_it(tmp_path: Path) -> None:
    with ServiceManager() as systemd:
        daemon = start(
            """
async def main(stop):
    def bad():
        raise ConfigError(["x: is wrong"])
    stop.on_reload(bad)
    await serve(stop, lambda: "well")
""",
            tmp_path,
            systemd,
        )
        assert [systemd.next(60), systemd.next(60)] == ["READY=1", "STATUS=well"]
        daemon.send(signal.SIGHUP)
        systemd.expect("RELOADING=1")
        systemd.expect("STATUS=nothing reloaded: x: is wrong")
        systemd.expect("READY=1")
        daemon.expect("nothing reloaded: x: is wrong", 60)
        daemon.send(signal.SIGTERM)
        assert systemd.next(60) == "STOPPING=1"
        assert systemd.next(60) == "STATUS=SIGTERM: ending"
        assert daemon.wait(60) == 0


def test_a_signal_to_reload_before_the_daemon_is_ready_does_not_make_it_so(
    tmp_path: Path,
) -> None:
    with ServiceManager() as systemd:
        daemon = start(
            """
async def main(stop):
    say("starting")
    await stop.wait()
""",
            tmp_path,
            systemd,
        )
        daemon.expect("starting", 60)
        daemon.send(signal.SIGHUP)
        daemon.send(signal.SIGTERM)
        assert systemd.next(60) == "STOPPING=1"


def test_what_ended_a_daemon_stays_to_be_read(tmp_path: Path) -> None:
    """`systemctl status` shows the last STATUS= of a unit that has failed."""
    main = 'async def main(stop):\n    raise SourceError("rtsp://u:p@cam/ is\\ngone")'
    with ServiceManager() as systemd:
        daemon = start(main, tmp_path, systemd)
        assert systemd.next(60) == "STATUS=rtsp://***@cam/ is\\ngone"
        assert daemon.wait(60) == 1


def test_a_sentence_is_one_line_of_bounded_length() -> None:
    assert status("a\nb rtsp://u:p@h/") == "STATUS=a\\nb rtsp://***@h/"
    assert len(status("x" * 1000)) == len("STATUS=") + MAX_SENTENCE
    assert status("x" * 1000).endswith("x…")


def test_a_path_and_an_abstract_socket_are_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the whole path might be too long for a socket
    abstract = f"stripecast-test-{os.getpid()}"
    for bound, given in (("n", "n"), (f"\0{abstract}", f"@{abstract}")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(bound)
            systemd.settimeout(60)
            monkeypatch.setenv("NOTIFY_SOCKET", given)
            assert notify.notify("READY=1", "STATUS=well")
            assert systemd.recv(100) == b"READY=1\nSTATUS=well"


async def test_without_systemd_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert notify.notify("READY=1")
    await asyncio.wait_for(keep_informed(lambda: "well"), 60)


async def test_a_service_manager_that_is_gone_is_logged_not_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "@stripecast-test-nobody")
    assert not notify.notify("READY=1")
    await _for_a_moment(keep_informed(lambda: "well"))
    assert "could not be told that the daemon is ready" in caplog.text


async def test_a_daemon_without_a_file_left_goes_on_saying_that_it_runs(
    systemd: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Systemd would kill it for its silence, with all who watch; and its end is told to nobody."""

    def none_left(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    tasks = Tasks()
    tasks.spawn(keep_informed(lambda: "well"), name="service manager")
    await asyncio.sleep(0)
    systemd.expect("WATCHDOG=1")
    monkeypatch.setattr(socket, "socket", none_left)
    assert not notify.notify("STOPPING=1")
    for _ in range(3):
        assert await asyncio.to_thread(systemd.expect, "WATCHDOG=1", 20.0) == "WATCHDOG=1"
    await tasks.close()


async def _for_a_moment(work: Coroutine[object, object, None]) -> None:
    """Run a coroutine until it sleeps for the first time."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(work, 0.05)

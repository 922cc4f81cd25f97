"""Daemons end as asked: soon, with nothing left, and quietly also where Python looks hard."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.daemons import STRICT, ClientProxy, ServerProxy
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet
from tests.support.players import FfmpegRecorder
from tests.support.sources import GstSource

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_debug_mode_and_warnings_as_errors_stay_quiet(tmp_path: Path, loop: str) -> None:
    """A run with players, a join, a leave and a kill; every daemon ends with 0 and a clean log."""
    env = {**STRICT, "STRIPECAST_LOOP": loop}
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, 4, env=env) as fleet:
        started = [Path(f"/proc/{one.pid}/cmdline").read_text() for one in fleet.daemons]
        assert all("proxy\0run\0" in one for one in started), "a fork heeds no PYTHONWARNINGS"
        recorders = [
            FfmpegRecorder(fleet.clients[0].url(CHANNEL), tmp_path, 8, "udp"),
            FfmpegRecorder(fleet.clients[1].url(CHANNEL), tmp_path, 8, "tcp"),
        ]
        source.expect_sent(50)
        fleet.leave(fleet.clients[2])
        fleet.kill(fleet.clients[2])
        fleet.add(1)
        for recorder in recorders:
            compare(source.sent, recorder.result().path, least=150).check()
        fleet.assert_nothing_lost()
        slow = [line for d in fleet.daemons for line in d.text().splitlines() if "took" in line]
        assert slow == [], "a callback held the loop for more than a second"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_daemon_while_a_player_plays(
    tmp_path: Path, number: signal.Signals
) -> None:
    """SIGINT is SIGTERM: exit code 0 within five seconds; the player is told and ends."""
    server = ServerProxy(tmp_path, {CHANNEL: "testcard:"}, fresh=True)
    server.wait_ready()
    client = ClientProxy(tmp_path, server.overlay, join=[CHANNEL], fresh=True)
    client.wait_ready()
    player = FfmpegRecorder(client.url(CHANNEL), tmp_path, 60, "tcp")
    client.wait_metric("stripecast_players", 1)
    for daemon in (client, server):
        began = time.monotonic()
        daemon.send(number)
        assert daemon.wait(6) == 0
        assert time.monotonic() - began < 5.0
        daemon.check_log()
        assert not _children(daemon.pid)
    assert player.wait(10) == 0


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Two signals: the daemon is gone, whatever it was doing."""
    server = ServerProxy(tmp_path, {CHANNEL: "testcard:"}, fresh=True)
    server.wait_ready()
    server.send(signal.SIGTERM)
    server.send(signal.SIGTERM)
    began = time.monotonic()
    server.wait(5)
    assert time.monotonic() - began < 2.0


def _children(pid: int) -> list[str]:
    """Return the processes whose parent or process group `pid` was."""
    left = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if str(pid) in (fields[1], fields[2]):
            left.append(entry)
    return left

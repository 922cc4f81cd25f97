"""The server proxy is killed and started again under ten viewers (Z33, S38)."""

import signal
import time
from pathlib import Path

import pytest

from tests.support.audience import Audience
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet, long
from tests.support.players import FfmpegRecorder
from tests.support.sources import GstSource

pytestmark = pytest.mark.e2e

TEN = 10
CLIENT_LINES = 12
"""Of each client proxy about the whole restart."""
SERVER_LINES = 2 * TEN + 10
SEEN = 2.0
"""Seconds of pictures before the restart, at least."""


def _lines(text: str) -> int:
    return len(text.splitlines())


def test_every_player_goes_on_by_itself(tmp_path: Path) -> None:
    """Ids and trees stay, and each daemon tells what happened in a few lines."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        fleet.settle()
        urls = [client.url(CHANNEL) for client in fleet.clients]
        audience = Audience(urls, tmp_path, long(20, 60))
        audience.wait()
        time.sleep(SEEN)
        before = fleet.placed()
        told = {client.pid: _lines(client.text()) for client in fleet.clients}

        fleet.restart_server()
        fleet.server.wait_ready()
        fleet.settle()
        up = time.monotonic()
        after = fleet.placed()
        assert set(after) == set(before)
        assert after == before or fleet.alarms(told)
        for client in fleet.clients:
            lines = _lines(client.text()) - told[client.pid]
            assert lines <= CLIENT_LINES or fleet.alarms(told), client.tail(lines)
        assert _lines(fleet.server.text()) <= SERVER_LINES, fleet.server.text()
        audience.expect_more()
        audience.end([source.sent], up)
        fleet.assert_nothing_lost()


def test_while_it_is_stopped_nobody_leaves_and_then_nothing_is_missing(tmp_path: Path) -> None:
    """SIGSTOP, for longer than a node waits for a starved parent, then SIGCONT: all is there."""
    away = long(6, 15)
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        fleet.settle()
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, away + 8) for client in fleet.clients
        ]
        for client in fleet.clients:
            client.wait_metric("stripecast_players", 1)
        source.expect_sent(50)
        before = fleet.placed()
        told = {client.pid: _lines(client.text()) for client in fleet.clients}
        fleet.server.send(signal.SIGSTOP)
        time.sleep(away)
        fleet.server.send(signal.SIGCONT)
        fleet.settle()
        assert fleet.placed() == before or fleet.alarms(told)
        for recorder in recorders:
            compare(source.sent, recorder.result().path, least=150).check()
        fleet.assert_nothing_lost()

"""The source is killed and started again under ten viewers (Z34, S38)."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.audience import Audience
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet, long
from tests.support.players import FfmpegRecorder
from tests.support.processes import wait_until
from tests.support.sources import GstOptions, GstSource

pytestmark = pytest.mark.e2e

TEN = 10
LINES = 8
"""Of each daemon about the whole restart."""
SEEN = 2.0
"""Seconds of pictures before the restart, at least."""


def _lines(text: str) -> int:
    return len(text.splitlines())


def _again(folder: Path, source: GstSource, options: GstOptions) -> GstSource:
    """Kill a source and start another at its address."""
    port = source.port
    source.kill()
    new = GstSource(folder, replace(options, port=port), name="again")
    return new.wait_ready()


def test_with_the_same_codecs_every_player_goes_on_by_itself(tmp_path: Path) -> None:
    """Nobody leaves a tree; each daemon says what happened in a few lines."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        fleet.settle()
        urls = [client.url(CHANNEL) for client in fleet.clients]
        audience = Audience(urls, tmp_path, long(16, 60))
        audience.wait()
        time.sleep(SEEN)
        before = fleet.placed()
        told = {daemon.pid: _lines(daemon.text()) for daemon in fleet.daemons}

        again = _again(tmp_path, source, GstOptions())
        fleet.server.wait_ready()
        up = time.monotonic()
        again.expect_sent(25)
        for daemon in fleet.daemons:
            lines = _lines(daemon.text()) - told[daemon.pid]
            assert lines <= LINES or fleet.alarms(told), daemon.tail(lines)
        assert fleet.placed() == before or fleet.alarms(told)
        audience.expect_more()
        audience.end([source.sent, again.sent], up)
        fleet.assert_nothing_lost()
        again.terminate()


def test_with_other_codecs_players_end_and_can_come_back_at_once(tmp_path: Path) -> None:
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        urls = [client.url(CHANNEL) for client in fleet.clients]
        recorders = [FfmpegRecorder(url, tmp_path, 60, "tcp") for url in urls]
        for client in fleet.clients:
            client.wait_metric("stripecast_players", 1)
        source.expect_sent(50)
        again = _again(tmp_path, source, GstOptions(audio="opus"))
        for recorder in recorders:
            assert recorder.wait(20) == 0, str(recorder)
            verdict = compare(source.sent, recorder.path, least=10)
            for track in verdict.tracks.values():
                assert track.unknown <= 1, str(verdict)
        seconds = long(4, 20)
        back = [FfmpegRecorder(url, tmp_path, seconds, "tcp") for url in urls]
        for recorder in back:
            compare(again.sent, recorder.result().path, least=50).check()
        wait_until(
            lambda: all(client.ready() for client in fleet.clients), 10, "all have the channel"
        )
        again.terminate()

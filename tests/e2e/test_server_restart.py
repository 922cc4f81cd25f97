"""The server proxy is killed and started again under ten viewers (Z33, S38)."""

import signal
import time
from pathlib import Path

import pytest

from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet, long
from tests.support.players import FfmpegPlayer, FfmpegRecorder, GstPlayer, MpvPlayer, harm
from tests.support.processes import wait_until
from tests.support.sources import GstSource

pytestmark = pytest.mark.e2e

TEN = 10
CLIENT_LINES = 12
"""Of each client proxy about the whole restart."""
SERVER_LINES = 2 * TEN + 10
SEEN = 4.0
"""Seconds of pictures that a player shows before and after, at least."""


def _lines(text: str) -> int:
    return len(text.splitlines())


def test_every_player_goes_on_by_itself(tmp_path: Path) -> None:
    """Ids and trees stay, and each daemon tells what happened in a few lines."""
    seconds = long(22, 60)
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, TEN) as fleet:
        fleet.settle()
        urls = [client.url(CHANNEL) for client in fleet.clients]
        shown: list[FfmpegPlayer | MpvPlayer] = [
            FfmpegPlayer(urls[0], tmp_path, seconds, "tcp"),
            MpvPlayer(urls[1], tmp_path, seconds, "tcp"),
        ]
        gst = GstPlayer(urls[2], tmp_path, seconds, "tcp")
        recorders = [FfmpegRecorder(url, tmp_path, seconds) for url in urls[3:]]
        for player in shown:
            player.wait_picture()
        time.sleep(SEEN)
        before = {fleet.node(client): fleet.parents(client) for client in fleet.clients}
        told = {client.pid: _lines(client.text()) for client in fleet.clients}

        fleet.restart_server()
        fleet.server.wait_ready()
        fleet.settle()
        up = time.monotonic()
        assert {fleet.node(client) for client in fleet.clients} == set(before)
        assert {fleet.node(client): fleet.parents(client) for client in fleet.clients} == before
        for client in fleet.clients:
            lines = _lines(client.text()) - told[client.pid]
            assert lines <= CLIENT_LINES, client.tail(lines)
        assert _lines(fleet.server.text()) <= SERVER_LINES, fleet.server.text()

        sizes = [recorder.path.stat().st_size for recorder in recorders]
        wait_until(
            lambda: all(
                recorder.path.stat().st_size > size
                for recorder, size in zip(recorders, sizes, strict=True)
            ),
            20,
            "every ffmpeg writes on",
        )
        for player in shown:
            assert player.pictures[-1] + player.started > up - SEEN, str(player)
        for playback in [*(player.result() for player in shown), gst.result()]:
            assert playback.ended_by != "kill", str(playback)
            assert playback.pictures > 25 * 2 * SEEN * 0.5, str(playback)
            assert playback.last_picture is not None
            assert playback.last_picture > seconds - SEEN, str(playback)
            assert not harm(playback.faults)["damaged"], str(playback)
        for recorder in recorders:
            verdict = compare(source.sent, recorder.result().path, least=100)
            for track in verdict.tracks.values():
                assert track.unknown + track.repeated + track.reordered <= 1, str(verdict)
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
        before = {fleet.node(client): fleet.parents(client) for client in fleet.clients}
        fleet.server.send(signal.SIGSTOP)
        time.sleep(away)
        fleet.server.send(signal.SIGCONT)
        fleet.settle()
        assert {fleet.node(client): fleet.parents(client) for client in fleet.clients} == before
        for recorder in recorders:
            compare(source.sent, recorder.result().path, least=150).check()
        fleet.assert_nothing_lost()

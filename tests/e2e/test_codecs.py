"""Other streams, three nodes each: H.265, sound only, 20 Mbit/s (Z4, Z45)."""

from pathlib import Path

import pytest

from tests.support.capture import captures, compare_captures
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet, long
from tests.support.players import FfmpegPlayer, FfmpegRecorder, harm
from tests.support.rtsp_client import Transport
from tests.support.sources import GstOptions, GstSource

pytestmark = pytest.mark.e2e

THREE = 3
LOWERS: tuple[Transport, ...] = ("udp", "tcp", "tcp")


@pytest.mark.parametrize(
    ("options", "tracks", "least"),
    [
        pytest.param(GstOptions(video=None), ("audio",), 200, id="aac only"),
        pytest.param(GstOptions(video=None, audio="opus"), ("audio",), 200, id="opus only"),
    ],
)
def test_every_unit_arrives(
    tmp_path: Path, options: GstOptions, tracks: tuple[str, ...], least: int
) -> None:
    """What ffmpeg receives on each node is what the source sent, and all its tracks are there."""
    seconds = long(6, 30)
    with GstSource(tmp_path, options) as source, Fleet(tmp_path, source.url, THREE) as fleet:
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, seconds, lower)
            for client, lower in zip(fleet.clients, LOWERS, strict=True)
        ]
        verdicts = [
            compare(source.sent, one.result().path, expect=tracks, least=least) for one in recorders
        ]
        assert [str(verdict) for verdict in verdicts if not verdict.exact] == []
        fleet.assert_nothing_lost()


def test_h265(tmp_path: Path) -> None:
    """What comes through three nodes is what comes directly: ffmpeg's hashes tell too little."""
    seconds = long(6, 30)
    options = GstOptions(video="h265")
    with GstSource(tmp_path, options) as source, Fleet(tmp_path, source.url, THREE) as fleet:
        urls = [client.url(CHANNEL) for client in fleet.clients]
        sessions = zip(urls, LOWERS, strict=True)
        player = FfmpegPlayer(urls[0], tmp_path, seconds)
        direct, *through = captures([(source.url, "tcp"), *sessions], seconds)
        verdicts = [compare_captures(direct, one, least=100) for one in through]
        assert [str(verdict) for verdict in verdicts if not verdict.exact] == []
        played = player.result()
        assert played.pictures >= 25 * seconds * 0.5, str(played)
        assert not harm(played.faults), str(played)
        fleet.assert_nothing_lost()


def test_twenty_megabits_a_second(tmp_path: Path) -> None:
    """What comes through three nodes is what comes directly, packet by packet."""
    seconds = long(6, 30)
    options = GstOptions(video="heavy")
    with GstSource(tmp_path, options) as source, Fleet(tmp_path, source.url, THREE) as fleet:
        urls = [client.url(CHANNEL) for client in fleet.clients]
        direct, *through = captures([(source.url, "tcp"), *((url, "tcp") for url in urls)], seconds)
        verdicts = [compare_captures(direct, one, least=100) for one in through]
        assert [str(verdict) for verdict in verdicts if not verdict.exact] == []
        size = sum(packet.size for packet in direct.rtp["video"])
        assert size * 8 / seconds > 12e6, "the source sends less than the test is about"
        fleet.assert_nothing_lost()

"""ffmpeg, mpv and GStreamer on the server, several at a time, with H.264 and AAC."""

import asyncio
from functools import cache
from pathlib import Path

import pytest

from tests.integration.players.conftest import Stage
from tests.support import rtsp_clip
from tests.support.exactness import judge, received_units
from tests.support.installed import skip_unless_installed
from tests.support.live import Live
from tests.support.players import (
    FfmpegPlayer,
    FfmpegRecorder,
    GstPlayer,
    MpvPlayer,
    Playback,
)

SECONDS = 5.0
"""How long the players play."""
CLIP_SECONDS = 20

pytestmark = pytest.mark.e2e


@cache
def clip() -> rtsp_clip.Clip:
    pytest.importorskip("av")
    return rtsp_clip.make_clip(CLIP_SECONDS)


Player = FfmpegPlayer | MpvPlayer | GstPlayer


@pytest.fixture
async def live(stage: Stage) -> Live:
    stage.feed.sdp = (await asyncio.to_thread(clip)).sdp
    return Live(stage.feed)


def url(stage: Stage) -> str:
    return f"rtsp://{stage.address}/cam"


async def test_what_ffmpeg_receives_is_what_the_source_sent(
    stage: Stage, live: Live, tmp_path: Path
) -> None:
    """Bit for bit, in order, both tracks, over UDP, TCP and HTTP at the same time."""
    skip_unless_installed("ffmpeg")
    stage.tasks.spawn(live.play(clip().packets, CLIP_SECONDS), name="stream")
    await asyncio.sleep(1.5)  # so that they begin in the midst of a group of pictures
    recorders = [
        FfmpegRecorder(url(stage), tmp_path, SECONDS, lower)
        for lower in ("udp", "tcp", "http", "udp")
    ]
    recordings = await asyncio.gather(*(asyncio.to_thread(r.result) for r in recorders))
    sent = rtsp_clip.units(clip())
    for recording in recordings:
        received = received_units(recording.path)
        assert set(received) == {"video", "audio"}
        for track, rate in (("video", 25), ("audio", 46)):
            verdict = judge(track, sent[track], received[track], least=int(SECONDS * rate * 0.8))
            assert verdict.exact, verdict
        assert not recording.faults
    assert stage.server.stats.packets_skipped == stage.server.stats.packets_dropped == 0


async def play_all(stage: Stage, folder: Path, seconds: float) -> list[Playback]:
    players: list[Player] = [
        FfmpegPlayer(url(stage), folder, seconds, "udp"),
        FfmpegPlayer(url(stage), folder, seconds, "tcp"),
        MpvPlayer(url(stage), folder, seconds),
        GstPlayer(url(stage), folder, seconds, "udp"),
        GstPlayer(url(stage), folder, seconds, "tcp"),
        GstPlayer(url(stage), folder, seconds, "http"),
    ]
    return await asyncio.gather(*(asyncio.to_thread(player.result) for player in players))


async def test_players_show_pictures_without_a_fault(
    stage: Stage, live: Live, tmp_path: Path
) -> None:
    skip_unless_installed("ffmpeg", "mpv", "gst")
    stage.tasks.spawn(live.play(clip().packets, CLIP_SECONDS), name="stream")
    await asyncio.sleep(0.5)
    for playback in await play_all(stage, tmp_path, SECONDS):
        assert playback.pictures >= 25, playback
        assert not playback.faults, playback
        assert playback.sounds is None or playback.sounds > 0, playback


async def test_players_play_on_when_the_source_restarts(
    stage: Stage, live: Live, tmp_path: Path
) -> None:
    """The source's numbers jump back and its SSRC changes: untreated, players freeze."""
    skip_unless_installed("ffmpeg", "mpv", "gst")

    async def stream() -> None:
        await live.play(clip().packets, 4.0)
        await asyncio.sleep(0.5)
        live.at += 0.5
        stage.feed.restart()
        again = rtsp_clip.renumbered(clip(), seq=-20_000, stamp=-(10**9), ssrc=77)
        await live.play(again, CLIP_SECONDS)

    stage.tasks.spawn(stream(), name="stream")
    await asyncio.sleep(0.5)
    for playback in await play_all(stage, tmp_path, 9.0):
        assert playback.last_picture is not None, playback
        assert playback.last_picture > 6.5, playback
        assert playback.pictures >= 100, playback


async def test_players_end_when_the_stream_ends(stage: Stage, live: Live, tmp_path: Path) -> None:
    """They are told by BYE and a closed connection: none waits for its own timeout."""
    skip_unless_installed("ffmpeg", "mpv", "gst")
    players: list[Player] = [
        FfmpegPlayer(url(stage), tmp_path, 60, "udp"),
        MpvPlayer(url(stage), tmp_path, 60),
        GstPlayer(url(stage), tmp_path, 60, "tcp"),
    ]
    playing = stage.tasks.spawn(live.play(clip().packets, CLIP_SECONDS), name="stream")
    await asyncio.gather(*(asyncio.to_thread(p.wait_picture) for p in players[:2]))
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    stage.feed.end("channel closed")
    for playback in await asyncio.gather(*(asyncio.to_thread(p.result) for p in players)):
        assert playback.ended_by == "itself", playback
    assert stage.players() == 0

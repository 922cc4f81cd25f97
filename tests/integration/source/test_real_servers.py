"""GStreamer's RTSP server and VLC's, pulled as a channel pulls them."""

import asyncio
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from common.keyframe import KeyframeDetector
from serverproxy.net.source import Source, SourceSettings
from tests.integration.source.scripted import Watcher, running
from tests.support.sources import GstOptions, GstSource, VlcSource

pytestmark = pytest.mark.e2e

SECONDS = 60.0


async def pulled(settings: SourceSettings, packets: int = 300) -> tuple[Source, Watcher]:
    """Pull until that many packets of each track and a report of each have come."""
    watcher = Watcher()
    source = Source(settings, watcher, channel="cam")
    async with asyncio.timeout(SECONDS), running(source.run):
        await watcher.until(lambda: enough(watcher, packets))
        assert source.state == "up"
    return source, watcher


def enough(watcher: Watcher, packets: int) -> bool:
    counts = Counter((one.track, one.rtcp) for one in watcher.packets)
    least = packets // 4
    return counts[0, False] >= packets and all(
        counts[key] >= need for key, need in (((1, False), least), ((0, True), 1), ((1, True), 1))
    )


def check(source: Source, watcher: Watcher, *codecs: str) -> None:
    """Both tracks came whole, in order, and with keyframes."""
    assert [track.codec for track in watcher.ups[0].tracks] == list(codecs)
    assert len(watcher.ups) == 1
    assert watcher.downs == []
    for track in (0, 1):
        numbers = watcher.numbers(track)
        assert all((b - a) & 0xFFFF == 1 for a, b in pairwise(numbers))
    kinds = [track.kind for track in watcher.ups[0].tracks]
    detector = KeyframeDetector(codecs[kinds.index("video")])
    starts = [
        detector.push(one.payload)
        for one in watcher.packets
        if one.track == kinds.index("video") and not one.rtcp
    ]
    assert starts.count(True) >= 2
    assert set(source.stats.lost_packets.values()) == {0}
    assert source.stats.bad_frames == 0


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_gstreamer_over_both_transports(
    transport: Literal["tcp", "udp"], tmp_path: Path
) -> None:
    with GstSource(tmp_path) as server:
        source, watcher = await pulled(SourceSettings(url=server.url, transport=transport))
    check(source, watcher, "H264", "MPEG4-GENERIC")


@pytest.mark.parametrize("method", ["digest", "basic"])
async def test_gstreamer_with_a_password(
    method: Literal["digest", "basic"], tmp_path: Path
) -> None:
    with GstSource(tmp_path, GstOptions(auth="user:s3same", auth_method=method)) as server:
        source, watcher = await pulled(SourceSettings(url=server.url_with("user:s3same")))
        check(source, watcher, "H264", "MPEG4-GENERIC")
        wrong = Watcher()
        refused = Source(
            SourceSettings(url=server.url, username="user", password="other"), wrong, channel="cam"
        )
        async with asyncio.timeout(SECONDS), running(refused.run):
            await wrong.until(lambda: bool(wrong.downs))
    assert "wrong user name or password" in wrong.downs[0]


async def test_gstreamer_over_tls(tmp_path: Path) -> None:
    with GstSource(tmp_path, GstOptions(tls=True)) as server:
        settings = SourceSettings(url=server.url, ca=str(server.certificate))
        source, watcher = await pulled(settings)
    check(source, watcher, "H264", "MPEG4-GENERIC")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_gstreamer_over_ipv6(transport: Literal["tcp", "udp"], tmp_path: Path) -> None:
    with GstSource(tmp_path, GstOptions(address="::1", audio="opus")) as server:
        source, watcher = await pulled(SourceSettings(url=server.url, transport=transport))
    check(source, watcher, "H264", "OPUS")


async def test_gstreamer_with_udp_only_makes_auto_fall_back(tmp_path: Path) -> None:
    with GstSource(tmp_path, GstOptions(protocols="udp", video="h265")) as server:
        source, watcher = await pulled(SourceSettings(url=server.url))
    check(source, watcher, "H265", "MPEG4-GENERIC")


async def test_gstreamer_says_goodbye_and_comes_back(tmp_path: Path) -> None:
    watcher = Watcher()
    with GstSource(tmp_path) as server:
        source = Source(SourceSettings(url=server.url), watcher, channel="cam")
        async with asyncio.timeout(SECONDS), running(source.run):
            await watcher.until(lambda: enough(watcher, 50))
            server.bye()
            await watcher.until(lambda: len(watcher.ups) == 2)
    assert "BYE" in watcher.downs[0]
    assert watcher.ups[0].tracks == watcher.ups[1].tracks


async def test_gstreamer_killed_and_started_again(tmp_path: Path) -> None:
    watcher = Watcher()
    first = GstSource(tmp_path, name="first")
    with first:
        source = Source(SourceSettings(url=first.url), watcher, channel="cam")
        async with asyncio.timeout(SECONDS), running(source.run):
            await watcher.until(lambda: enough(watcher, 50))
            first.kill()
            await watcher.until(lambda: bool(watcher.downs))
            second = GstSource(tmp_path, GstOptions(port=first.port), name="second")
            try:
                await asyncio.to_thread(second.wait_ready)
                await watcher.until(lambda: len(watcher.ups) == 2)
            finally:
                second.terminate()
    assert "closed the connection" in watcher.downs[0]


async def test_vlc_is_pulled_over_udp(tmp_path: Path) -> None:
    """VLC refuses TCP, writes `Cseq` and absolute control URLs, and both payload types are 96."""
    with VlcSource(tmp_path) as server:
        source, watcher = await pulled(SourceSettings(url=server.url))
    codecs = [track.codec for track in watcher.ups[0].tracks]
    assert sorted(codecs) == ["H264", "MPEG4-GENERIC"]
    check(source, watcher, *codecs)

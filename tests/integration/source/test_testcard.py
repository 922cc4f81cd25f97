"""The test card: a source without a camera."""

import asyncio
import importlib.util
from fractions import Fraction
from itertools import pairwise

import pytest

from common import rtcp, rtp
from common.keyframe import KeyframeDetector
from serverproxy.net import source, testcard
from serverproxy.net.source import SourceSettings
from tests.integration.source.scripted import Watcher, running

pytest.importorskip("av", reason="PyAV (extra `media`) is not installed")


def create(url: str, watcher: Watcher) -> "source.Source | testcard.TestCard":
    return source.create(SourceSettings(url=url), watcher, channel="card")


async def test_picture_and_tone_come_in_real_time() -> None:
    watcher = Watcher()
    card = create("testcard:", watcher)
    loop = asyncio.get_running_loop()
    async with running(card.run):
        await watcher.until(lambda: bool(watcher.packets))
        began = loop.time()
        await watcher.until(lambda: len(watcher.batches) >= 51)
        took = loop.time() - began
        assert card.state == "up"
    assert took > 1.9  # 50 pictures at 25 a second
    (description,) = watcher.ups
    assert [(one.kind, one.codec, one.clock_rate) for one in description.tracks] == [
        ("video", "H264", 90_000),
        ("audio", "MPEG4-GENERIC", 48_000),
    ]
    assert "sprop-parameter-sets=" in description.sdp
    for track in (0, 1):
        numbers = watcher.numbers(track)
        assert all((b - a) & 0xFFFF == 1 for a, b in pairwise(numbers))
        reports = [one for one in watcher.packets if one.track == track and one.rtcp]
        assert rtcp.sender_info(reports[0].payload) is not None
    assert card.stats.packets == len(watcher.packets)


async def test_a_keyframe_comes_every_second_with_its_parameter_sets() -> None:
    watcher = Watcher()
    async with running(create("testcard:?keyframe=0.4&audio=0&size=320x180", watcher).run):
        await watcher.until(lambda: len(watcher.batches) >= 25)
    detector = KeyframeDetector("H264")
    starts = [
        header.timestamp
        for one in watcher.packets
        if not one.rtcp
        and detector.push(one.payload)
        and (header := rtp.parse(one.payload)) is not None
    ]
    steps = {Fraction((b - a) & 0xFFFF_FFFF, 90_000) for a, b in pairwise(starts)}
    assert steps == {Fraction(2, 5)}


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_options_are_followed_and_the_picture_decodes(codec: str) -> None:
    import av  # noqa: PLC0415 - optional
    from av.video.frame import VideoFrame  # noqa: PLC0415 - optional

    watcher = Watcher()
    url = f"testcard:?codec={codec}&size=320x180&rate=10&audio=0&bitrate=100"
    async with running(create(url, watcher).run):
        await watcher.until(lambda: len(watcher.batches) >= 12)
    (track,) = watcher.ups[0].tracks
    assert track.codec == codec.upper()
    decoder = av.VideoCodecContext.create("hevc" if codec == "h265" else codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    payloads = [rtp.payload(one.payload) for one in watcher.packets if not one.rtcp]
    frames = [
        frame
        for packet in decoder.parse(annexb(payloads, codec))
        for frame in decoder.decode(packet)
    ]
    assert len(frames) >= 8
    first = frames[0]
    assert isinstance(first, VideoFrame)
    assert (first.width, first.height) == (320, 180)


def annexb(payloads: list[bytes], codec: str) -> bytes:
    """Put the NAL units of RTP payloads together again (RFC 6184, RFC 7798)."""
    head, aggregate, fragment = (1, 24, 28) if codec == "h264" else (2, 48, 49)
    out = bytearray()
    for payload in payloads:
        kind = payload[0] & 31 if codec == "h264" else payload[0] >> 1 & 63
        if kind == aggregate:
            at = head
            while at < len(payload):
                size = int.from_bytes(payload[at : at + 2])
                out += b"\0\0\0\1" + payload[at + 2 : at + 2 + size]
                at += 2 + size
        elif kind == fragment:
            flags = payload[head]
            if flags & 0x80:
                start = (
                    bytes([payload[0] & 0xE0 | flags & 31])
                    if codec == "h264"
                    else bytes([payload[0] & 0x81 | (flags & 63) << 1, payload[1]])
                )
                out += b"\0\0\0\1" + start
            out += payload[head + 1 :]
        else:
            out += b"\0\0\0\1" + payload
    return bytes(out)


async def test_it_ends_at_once_and_tells_nothing_afterwards() -> None:
    watcher = Watcher()
    card = create("testcard:", watcher)
    async with running(card.run):
        await watcher.until(lambda: len(watcher.batches) >= 5)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 2
    told = len(watcher.packets)
    await asyncio.sleep(0.1)
    assert len(watcher.packets) == told
    assert card.state == "down"


async def test_without_pyav_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    watcher = Watcher()
    async with running(create("testcard:", watcher).run):
        await watcher.until(lambda: bool(watcher.downs))
    assert "stripecast[media]" in watcher.downs[0]
    assert "Traceback" not in caplog.text


def test_a_wrong_option_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="bitrate"):
        create("testcard:?bitrate=none", Watcher())


def test_the_scheme_says_which_source_it_is() -> None:
    assert isinstance(create("testcard:", Watcher()), testcard.TestCard)
    assert isinstance(create("rtsp://h/x", Watcher()), source.Source)
    with pytest.raises(ValueError, match="rtsp://"):
        create("file:///clip.mp4", Watcher())

"""RTSP over HTTP: both orders, what is waited for, what is put up with, and who ends with whom."""

import asyncio
import base64

import pytest

from clientproxy.core import tunnels
from clientproxy.core.tunnels import PAIR_TIMEOUT
from common import rtcp
from tests.integration.players.conftest import AUDIO, VIDEO, Stage
from tests.support.rtsp_dialogue import Talk, ask_without_reading, until
from tests.support.rtsp_tunnel import TunnelTalk, get, opened_post, post

TCP01 = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
TCP23 = "Transport: RTP/AVP/TCP;unicast;interleaved=2-3"


async def play(talk: Talk) -> str:
    """Set both tracks up and play; return the Session header."""
    session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP01)).session}"
    assert (await talk.ask("SETUP", "/cam/trackID=1", TCP23, session)).status == 200
    assert (await talk.ask("PLAY", "/cam/", session)).status == 200
    return session


async def test_requests_come_in_base64_and_answers_go_raw(stage: Stage) -> None:
    stage.feed.play([stage.packet(VIDEO, 0, keyframe=True), stage.packet(AUDIO, 0.1)])
    async with TunnelTalk(stage.address) as talk, opened_post(stage.address) as one:
        await talk.open("CSeq: 1")
        talk.through = one
        assert (await talk.ask("OPTIONS", "/cam")).status == 200
        assert (await talk.ask("DESCRIBE", "/cam")).status == 200
        session = await play(talk)
        assert [frame.channel for frame in await talk.wait_frames(4)] == [1, 0, 3, 2]
        assert stage.players() == 1
        assert [one["transport"] for one in stage.server.sessions] == ["http"]
        assert (await talk.ask("TEARDOWN", "/cam/", session)).status == 200
        assert stage.players() == 0


async def test_the_post_may_come_first(stage: Stage) -> None:
    """What it carries waits for the GET."""
    async with opened_post(stage.address) as one:
        request = b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n"
        one.send(base64.b64encode(request))
        await until(lambda: stage.server.stats.connections == 1)
        async with TunnelTalk(stage.address) as talk:
            await talk.open()
            assert (await talk.reply()).headers["cseq"] == "7"
            talk.through, talk.cseq = one, 8
            await play(talk)


async def test_base64_may_be_cut_anywhere_and_padded_anywhere(stage: Stage) -> None:
    async with TunnelTalk(stage.address) as talk, opened_post(stage.address) as one:
        await talk.open()
        request = b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n"
        for part in (request[:1], request[1:3], request[3:]):  # == and = amid a message
            for byte in base64.b64encode(part) + b"\r\n":
                one.send(bytes([byte]))
                await asyncio.sleep(0)
        assert (await talk.reply()).headers["cseq"] == "9"


@pytest.mark.parametrize("wish", ["RTP/AVP;unicast;client_port=6970-6971", "RTP/AVP/TCP;unicast"])
async def test_the_server_chooses_channels_whatever_quicktime_asks_for(
    stage: Stage, wish: str
) -> None:
    async with TunnelTalk(stage.address) as talk, opened_post(stage.address) as one:
        await talk.open()
        talk.through = one
        reply = await talk.ask("SETUP", "/cam/trackID=0", f"Transport: {wish}")
        assert reply.headers["transport"] == "RTP/AVP/TCP;unicast;interleaved=0-1"
        session = f"Session: {reply.session}"
        reply = await talk.ask("SETUP", "/cam/trackID=1", f"Transport: {wish}", session)
        assert reply.headers["transport"] == "RTP/AVP/TCP;unicast;interleaved=2-3"
        reply = await talk.ask("SETUP", "/cam/trackID=0", "Transport: RTP/AVP;multicast")
        assert reply.status == 461


async def test_reports_are_taken_on_both_connections(stage: Stage) -> None:
    """GStreamer sends them in base64, live555 raw on the connection of the GET."""
    report = rtcp.receiver_report(1)
    frame = b"$\x01" + len(report).to_bytes(2) + report
    async with TunnelTalk(stage.address) as talk, opened_post(stage.address) as one:
        await talk.open()
        talk.through = one
        await play(talk)
        talk.send(frame)
        await stage.until_reports(1)
        talk.send_raw(frame)
        await stage.until_reports(2)
        assert (await talk.ask("OPTIONS", "*")).status == 200


async def test_a_session_outlives_its_post_and_takes_another_one(stage: Stage) -> None:
    async with TunnelTalk(stage.address) as talk:
        async with opened_post(stage.address) as one:
            await talk.open()
            talk.through = one
            session = await play(talk)
        await until(lambda: stage.server.stats.connections == 1)
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
        await talk.wait_frames(2)
        stage.skew += PAIR_TIMEOUT + 1
        async with opened_post(stage.address) as one:
            talk.through = one
            assert (await talk.ask("PAUSE", "/cam/", session)).status == 200
            async with opened_post(stage.address) as two:
                assert await one.wait_closed() == b""  # the further one takes its place
                talk.through = two
                assert (await talk.ask("PLAY", "/cam/", session)).status == 200


async def test_the_post_ends_with_its_get(stage: Stage) -> None:
    async with opened_post(stage.address) as one:
        async with TunnelTalk(stage.address) as talk:
            await talk.open()
            talk.through = one
            await play(talk)
            assert stage.players() == 1
        assert await one.wait_closed() == b""
        assert stage.players() == 0
    await until(lambda: stage.server.stats.connections == 0)


async def test_a_tunnel_that_plays_is_not_idle(stage: Stage) -> None:
    """Neither of its connections, though only one of them has a session."""
    async with TunnelTalk(stage.address) as talk, opened_post(stage.address) as one:
        await talk.open()
        talk.through = one
        session = await play(talk)
        async with Talk(stage.address) as other:
            await until(lambda: stage.server.stats.connections == 3)
            stage.skew += 1000
            await other.wait_closed()
        assert (await talk.ask("GET_PARAMETER", "/cam/", session)).status == 200


@pytest.mark.parametrize("half", [get(), post()])
async def test_half_a_tunnel_ends_after_seconds(stage: Stage, half: bytes) -> None:
    async with Talk(stage.address) as alone, Talk(stage.address) as other:
        alone.send(half)
        if half == get():
            assert (await alone.reply()).status == 200
        await other.ask("OPTIONS", "*")
        stage.skew += 1
        await asyncio.sleep(0.7)  # more than a tick
        assert not alone.reader.at_eof()
        stage.skew += PAIR_TIMEOUT
        await alone.wait_closed()
        assert (await other.ask("OPTIONS", "*")).status == 200
    async with TunnelTalk(stage.address) as talk:  # the cookie is free again
        await talk.open()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get(""), b"404"),
        (post(""), b"404"),
        (get("x" * 129), b"400"),
        (post("\x01"), b"400"),
        (b"GET /favicon.ico HTTP/1.1\r\nHost: localhost:8554\r\n\r\n", b"404"),
    ],
)
async def test_what_is_no_tunnel_is_told_so_in_http(
    stage: Stage, data: bytes, status: bytes
) -> None:
    async with opened_post(stage.address, data) as link:
        answer = await link.wait_closed()
    assert answer.startswith(b"HTTP/1.0 " + status + b" ")
    assert b"in a player" in answer


async def test_a_cookie_is_for_one_tunnel(stage: Stage) -> None:
    async with TunnelTalk(stage.address) as talk, opened_post(stage.address) as one:
        await talk.open()
        talk.through = one
        async with opened_post(stage.address, get()) as second:
            assert (await second.wait_closed()).startswith(b"HTTP/1.0 400 ")
        assert (await talk.ask("OPTIONS", "*")).status == 200


@pytest.mark.parametrize(
    "garbage",
    [b"!!!!", b"\x00\xff\x00\xff", b"====", b"AAAA=AAA", base64.b64encode(b"nothing\r\n\r\n" * 3)],
)
async def test_garbage_ends_its_tunnel_and_no_other(stage: Stage, garbage: bytes) -> None:
    async with (
        TunnelTalk(stage.address) as good,
        TunnelTalk(stage.address) as bad,
        opened_post(stage.address) as good_post,
        opened_post(stage.address, post("other")) as bad_post,
    ):
        await good.open()
        await bad.open(cookie="other")
        good.through, bad.through = good_post, bad_post
        await play(good)
        await play(bad)
        bad_post.send(garbage)
        assert (await bad.reply()).status == 400
        await bad.wait_closed()
        assert await bad_post.wait_closed() == b""
        assert stage.players() == 1
        assert (await good.ask("OPTIONS", "*")).status == 200


@pytest.mark.parametrize("through", [True, False])
async def test_http_in_the_midst_of_rtsp_ends_the_connection(stage: Stage, through: bool) -> None:
    async with TunnelTalk(stage.address) as talk, opened_post(stage.address) as one:
        await talk.open()
        talk.through = one
        assert (await talk.ask("OPTIONS", "*")).status == 200
        (talk.send if through else talk.send_raw)(get("another"))
        assert (await talk.reply()).status == 400
        await talk.wait_closed()


async def test_tunnels_have_a_limit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels, "MAX_HALVES", 1)
    async with TunnelTalk(stage.address) as talk, opened_post(stage.address) as one:
        await talk.open()
        async with opened_post(stage.address, post("another")) as second:
            assert (await second.wait_closed()).startswith(b"HTTP/1.0 503 ")
        talk.through = one
        assert (await talk.ask("OPTIONS", "*")).status == 200


async def test_a_tunnel_whose_answers_are_not_read_is_asked_no_further(stage: Stage) -> None:
    stage.feed.sdp += "a=x-padding:" + "x" * 60_000 + "\r\n"
    async with (
        TunnelTalk(stage.address) as talk,
        opened_post(stage.address) as one,
        Talk(stage.address) as other,
    ):
        await talk.open()
        talk.stop_reading()
        talk.through = one
        await ask_without_reading(talk, other, stage.described)

"""What a source asks a server, and what it makes of strange answers."""

import asyncio

import pytest

from common import rtcp
from common.fields import Track
from serverproxy.net.source import Source, SourceSettings
from tests.integration.source.scripted import (
    AUDIO,
    SDP,
    VIDEO,
    Request,
    ScriptedServer,
    Watcher,
    frame,
    packet,
    running,
    serving,
)
from tests.support.rtp_packets import report_blocks

H264 = Track(0, "video", "H264", 90_000, 96)
OPUS = Track(1, "audio", "OPUS", 48_000, 97)


def source(server: ScriptedServer, watcher: Watcher) -> Source:
    return Source(SourceSettings(url=server.url, transport="tcp"), watcher, channel="cam")


async def test_every_medium_of_the_session_is_pulled_in_one_session() -> None:
    watcher = Watcher()
    async with serving(ScriptedServer()) as server:
        pulled = source(server, watcher)
        async with running(pulled.run):
            await server.played()
            await server.send(frame(0, packet(1)) + frame(2, packet(7)) + frame(0, packet(2)))
            await watcher.until(lambda: len(watcher.packets) == 3)
            assert pulled.state == "up"
    assert [request.method for request in server.requests] == [
        *("OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY", "TEARDOWN")
    ]
    first, second = server.asked("SETUP")
    assert (first.url, second.url) == (f"{server.url}/track0", f"{server.url}/track1")
    assert (first.headers.get("session"), second.headers["session"]) == (None, "17")
    assert server.asked("PLAY")[0].url == f"{server.url}/"
    assert watcher.ups[0].sdp == SDP
    assert watcher.ups[0].tracks == (H264, OPUS)
    assert watcher.numbers(0) == [1, 2]
    assert watcher.numbers(1) == [7]
    assert (pulled.stats.pulls, pulled.stats.packets) == (1, 3)
    assert watcher.downs == []


async def test_what_one_read_brings_goes_out_in_one_call() -> None:
    watcher = Watcher()
    async with serving(ScriptedServer()) as server, running(source(server, watcher).run):
        await server.played()
        await server.send(b"".join(frame(0, packet(n)) for n in range(50)))
        await watcher.until(lambda: len(watcher.packets) == 50)
    assert watcher.batches == [50]


async def test_a_server_may_choose_other_channels() -> None:
    def setup(request: Request) -> bytes:
        first = 4 if request.url.endswith("0") else 8
        transport = f"RTP/AVP/TCP;unicast;interleaved={first}-{first + 1}"
        return request.reply(Session="17", Transport=transport)

    watcher = Watcher()
    server = ScriptedServer(SETUP=setup)
    async with serving(server), running(source(server, watcher).run):
        await server.played()
        await server.send(frame(4, packet(1)) + frame(8, packet(2)))
        await watcher.until(lambda: len(watcher.packets) == 2)
    assert [one.track for one in watcher.packets] == [0, 1]


async def test_strange_packets_are_counted_and_harm_nothing() -> None:
    """Each of these ends a TCP session of aiortsp as it is."""
    feedback = b"\x81\xce\x00\x02" + bytes(8)
    watcher = Watcher()
    async with serving(ScriptedServer()) as server:
        pulled = source(server, watcher)
        async with running(pulled.run):
            await server.played()
            await server.send(
                frame(0, packet(1))
                + frame(1, feedback)
                + frame(0, b"short")
                + frame(0, b"")
                + frame(1, b"\x80\xc8\xff\xff")
                + frame(77, packet(9))
                + b"junk between packets"
                + frame(0, packet(2))
            )
            await watcher.until(lambda: watcher.numbers() == [1, 2])
        assert server.connections == 1
    assert [one.payload for one in watcher.packets if one.rtcp] == [feedback]
    assert pulled.stats.bad_frames == 4


async def test_rtcp_of_the_source_is_passed_on_with_the_first_media() -> None:
    report = rtcp.sender_report(rtcp.SenderInfo(1, 2, 3, 4, 5))
    watcher = Watcher()
    async with serving(ScriptedServer()) as server, running(source(server, watcher).run):
        await server.played()
        await server.send(frame(1, report) + b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n")
        await server.until(lambda: len(server.asked("answer")) == 1)
        assert watcher.ups == []  # a report alone is no sign that the source plays
        await server.send(frame(0, packet(1)))
        await watcher.until(lambda: len(watcher.packets) == 2)
    assert [(one.track, one.rtcp, one.payload) for one in watcher.packets] == [
        (0, True, report),
        (0, False, packet(1)),
    ]


async def test_the_source_is_told_what_was_lost() -> None:
    watcher = Watcher()
    async with serving(ScriptedServer()) as server:
        pulled = source(server, watcher)
        async with running(pulled.run):
            await server.played()
            await server.send(b"".join(frame(0, packet(n)) for n in (1, 2, 5, 6)))
            await server.until(lambda: len(server.packets) >= 2)
    reports = dict(server.packets)
    (block,) = report_blocks(reports[1])
    assert (block.ssrc, block.lost, block.highest) == (1, 2, 6)
    assert report_blocks(reports[3]) == []
    assert [part.kind for part in rtcp.walk(reports[1])] == [rtcp.RR, rtcp.SDES]
    assert pulled.stats.lost_packets == {0: 2, 1: 0}


async def test_keep_alive_goes_out_while_the_session_lasts() -> None:
    def setup(request: Request) -> bytes:
        return request.reply(Session="17;timeout=2", Transport=request.headers["transport"])

    server = ScriptedServer(SETUP=setup)
    async with serving(server), running(source(server, Watcher()).run):
        await server.until(lambda: len(server.asked("GET_PARAMETER")) >= 2)
    assert server.asked("GET_PARAMETER")[0].headers["session"] == "17"


async def test_keep_alive_is_options_where_get_parameter_is_not_known() -> None:
    server = ScriptedServer()
    server.answers["SETUP"] = lambda request: request.reply(
        Session="17;timeout=2", Transport=request.headers["transport"]
    )
    server.answers["GET_PARAMETER"] = lambda request: request.reply("501 Not Implemented")
    watcher = Watcher()
    async with serving(server), running(source(server, watcher).run):
        await server.until(lambda: len(server.asked("OPTIONS")) >= 3)
    assert watcher.downs == []


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: request.reply("501 Not Implemented"),
        lambda request: request.reply(),  # no Public
        lambda _: b"RTSP/1.0 200 OK\r\n\r\n",  # no CSeq
    ],
)
async def test_a_poor_answer_to_options_is_enough(answer: object) -> None:
    assert callable(answer)
    server = ScriptedServer(OPTIONS=answer)
    async with serving(server), running(source(server, Watcher()).run):
        await server.played()


async def test_100_continue_is_not_the_answer() -> None:
    server = ScriptedServer()
    server.answers["DESCRIBE"] = lambda one: one.reply("100 Continue") + server.usual(one)
    async with serving(server), running(source(server, Watcher()).run):
        await server.played()


async def test_an_sdp_in_latin_1_is_taken() -> None:
    watcher = Watcher()
    server = ScriptedServer()
    server.sdp = SDP.replace("scripted", "Caméra").encode("latin-1")
    async with serving(server), running(source(server, watcher).run):
        await server.played()
        await server.send(frame(0, packet(1)))
        await watcher.until(lambda: bool(watcher.ups))
    assert "s=Caméra" in watcher.ups[0].sdp


async def test_media_are_played_one_by_one_where_there_is_no_aggregate() -> None:
    def play(request: Request) -> bytes:
        if request.url.endswith("/"):
            return request.reply("459 Aggregate Operation Not Allowed")
        if "range" in request.headers:
            return request.reply("457 Invalid Range")
        return request.reply()

    server = ScriptedServer(PLAY=play)
    async with serving(server), running(source(server, Watcher()).run):
        await server.played(2)
    played = [request.url for request in server.asked("PLAY") if "range" not in request.headers]
    assert played == [f"{server.url}/track0", f"{server.url}/track1"]


async def test_requests_of_the_server_are_answered() -> None:
    watcher = Watcher()
    async with serving(ScriptedServer()) as server, running(source(server, watcher).run):
        await server.played()
        await server.send(
            b"OPTIONS * RTSP/1.0\r\nCSeq: 900\r\n\r\n"
            b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 901\r\nSession: 17\r\n\r\n"
            b"RECORD * RTSP/1.0\r\nCSeq: 902\r\n\r\n" + frame(0, packet(1))
        )
        await server.until(lambda: len(server.asked("answer")) == 3)
        await watcher.until(lambda: watcher.numbers() == [1])
    assert [(one.url.split()[1], one.headers["cseq"]) for one in server.asked("answer")] == [
        ("200", "900"),
        ("200", "901"),
        ("501", "902"),
    ]


async def test_a_failed_setup_gives_the_session_back() -> None:
    def setup(request: Request) -> bytes:
        if request.url.endswith("1"):
            return request.reply("500 Internal Server Error")
        return server.usual(request)

    server = ScriptedServer(SETUP=setup)
    async with serving(server), running(source(server, Watcher()).run):
        await server.until(lambda: bool(server.asked("TEARDOWN")))
    assert server.asked("TEARDOWN")[0].headers["session"] == "17"


async def test_a_server_that_hangs_does_not_hold_up_the_end() -> None:
    server = ScriptedServer(TEARDOWN=lambda _: None)
    async with serving(server):
        async with asyncio.timeout(SECONDS_TO_END):
            async with running(source(server, Watcher()).run):
                await server.played()
    assert len(server.asked("TEARDOWN")) == 1


SECONDS_TO_END = 4.0
"""A daemon ends within five."""


async def test_media_in_another_order_keep_their_tracks() -> None:
    """VLC begins its loop anew with audio first or video first at whim."""
    watcher = Watcher()
    async with serving(ScriptedServer()) as server, running(source(server, watcher).run):
        await server.played()
        await server.send(frame(0, packet(1)) + frame(2, packet(2)))
        await watcher.until(lambda: len(watcher.packets) == 2)
        server.sdp = SDP.replace(VIDEO + AUDIO, AUDIO + VIDEO).encode()
        server.hang_up()
        await server.played(2)
        video, _ = server.asked("SETUP")[-2:]
        assert video.url.endswith("track0")
        await server.send(frame(0, packet(11, ssrc=2)) + frame(2, packet(12, ssrc=3)))
        await watcher.until(lambda: len(watcher.packets) == 4)
    assert watcher.numbers(0) == [1, 11]
    assert watcher.ups[1].tracks == watcher.ups[0].tracks
    assert watcher.ups[1].sdp == SDP


async def test_other_media_are_a_new_description() -> None:
    watcher = Watcher()
    async with serving(ScriptedServer()) as server, running(source(server, watcher).run):
        await server.played()
        await server.send(frame(0, packet(1)))
        await watcher.until(lambda: len(watcher.ups) == 1)
        server.sdp = SDP.replace("H264", "H265").encode()
        server.hang_up()
        await server.played(2)
        await server.send(frame(0, packet(1)))
        await watcher.until(lambda: len(watcher.ups) == 2)
    assert watcher.ups[1].tracks[0].codec == "H265"

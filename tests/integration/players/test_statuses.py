"""Every status that the server answers with, and what comes with it (RFC 2326, 7.1.1 and 11)."""

import msgspec
import pytest

from clientproxy.config import ClientConfig
from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net import rtsp_server
from clientproxy.net.channels import JoinedChannels
from clientproxy.net.rtsp import sessions
from common.fields import Track
from common.rtsp.messages import REASONS
from tests.integration.players.conftest import AUDIO, VIDEO, Stage
from tests.support.rtsp_dialogue import Reply, Talk, UdpEnd, until

TCP = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"


async def one(stage: Stage, method: str, path: str, *headers: str) -> Reply:
    async with Talk(stage.address) as talk:
        return await talk.ask(method, path, *headers)


@pytest.mark.parametrize("path", ["*", "/cam", "/unknown", "/"])
async def test_options_always_works(stage: Stage, path: str) -> None:
    reply = await one(stage, "OPTIONS", path, "Session: nobody")
    assert reply.status == 200
    assert reply.headers["public"] == (
        "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
    )


async def test_describe_gives_the_sdp_with_absolute_control_urls(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        reply = await talk.ask("DESCRIBE", "/cam", "Accept: application/sdp")
        assert reply.status == 200
        assert reply.headers["content-base"] == f"{talk.base}/cam/"
        assert reply.headers["content-type"] == "application/sdp"
        lines = reply.body.split("\r\n")
        assert [line for line in lines if line.startswith("a=control")] == [
            f"a=control:{talk.base}/cam",
            f"a=control:{talk.base}/cam/trackID=0",
            f"a=control:{talk.base}/cam/trackID=1",
        ]


async def test_no_cseq_is_a_bad_request(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        talk.send(b"OPTIONS * RTSP/1.0\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: x\r\n\r\n")
        assert (await talk.reply()).status == 400
        assert (await talk.reply()).status == 400
        assert (await talk.ask("OPTIONS", "*")).status == 200


async def test_a_url_that_is_none_is_a_bad_request(stage: Stage) -> None:
    assert (await one(stage, "DESCRIBE", "http://h/cam")).status == 400


async def test_a_transport_header_is_compulsory(stage: Stage) -> None:
    assert (await one(stage, "SETUP", "/cam/trackID=0")).status == 400


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\n\n",
        b"PUT /cam HTTP/1.1\r\n\r\n",
        b"GET /cam HTTP/2\r\n\r\n",
        b"SETUP rtsp://h/cam HTTP/1.1\r\n\r\n",
        b"x" * 20_000,
        b"\n\nx\r\n\r\n",
    ],
)
async def test_garbage_ends_its_connection_and_no_other(stage: Stage, data: bytes) -> None:
    async with Talk(stage.address) as other, Talk(stage.address) as talk:
        talk.send(data)
        reply = await talk.reply()
        assert (reply.status, reply.headers["connection"]) == (400, "close")
        await talk.wait_closed()
        assert (await other.ask("OPTIONS", "*")).status == 200


async def test_an_endless_body_is_too_large(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        talk.send(b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 9999999\r\n\r\n")
        assert (await talk.reply()).status == 413
        await talk.wait_closed()


@pytest.mark.parametrize("path", ["/unknown", "/", "/a/b/c", "/cam/trackID=0", "/host:7854"])
async def test_describe_of_what_is_not_there_is_not_found(stage: Stage, path: str) -> None:
    assert (await one(stage, "DESCRIBE", path)).status == 404


@pytest.mark.parametrize("path", ["/unknown", "", "/a/b/c", "/host:7854"])
async def test_setup_on_what_is_not_there_is_not_found(stage: Stage, path: str) -> None:
    assert (await one(stage, "SETUP", f"{path}/trackID=0", TCP)).status == 404


async def test_setup_of_a_track_that_is_not_there_is_not_found(stage: Stage) -> None:
    assert (await one(stage, "SETUP", "/cam/trackID=2", TCP)).status == 404


async def test_a_url_may_name_the_server_proxy(stage: Stage) -> None:
    assert (await one(stage, "DESCRIBE", "/host:7854/cam")).status == 404
    stage.channels.feeds["cam", "host:7854"] = stage.feed
    assert (await one(stage, "DESCRIBE", "/host:7854/cam")).status == 200


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("other", "other:7854 is not among allow_servers"),
        ("mine:1", "mine:1 is not among allow_servers"),
        ("mine:bad", "'mine:bad' has no port between 0 and 65535: write HOST:PORT"),
    ],
)
async def test_a_server_proxy_that_is_not_allowed_is_not_found(server: str, why: str) -> None:
    channels = JoinedChannels(ClientConfig.model_validate({"server": "mine"}))
    with pytest.raises(ChannelUnavailableError) as refused:
        await channels.open("cam", server)
    assert (refused.value.status, refused.value.why) == (404, why)
    assert not channels.nodes


async def test_methods_for_publishers_are_not_allowed(stage: Stage) -> None:
    for method in ("ANNOUNCE", "RECORD", "REDIRECT"):
        reply = await one(stage, method, "/cam")
        assert reply.status == 405
        assert "DESCRIBE" in reply.headers["allow"]
    assert (await one(stage, "DESCRIBE", "*")).status == 405


async def test_only_sdp_is_to_be_had(stage: Stage) -> None:
    assert (await one(stage, "DESCRIBE", "/cam", "Accept: text/html")).status == 406
    accept = "Accept: text/html, application/sdp;level=2"
    assert (await one(stage, "DESCRIBE", "/cam", accept)).status == 200
    assert (await one(stage, "DESCRIBE", "/cam")).status == 200


async def test_parameters_are_not_understood_but_empty_requests_are_fine(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        for method in ("GET_PARAMETER", "SET_PARAMETER"):
            assert (await talk.ask(method, "/cam")).status == 200
            talk.send(
                f"{method} * RTSP/1.0\r\nCSeq: 9\r\nContent-Length: 5\r\n\r\nvol\r\n".encode()
            )
            assert (await talk.reply()).status == 405  # no parameters of the server as a whole
            text = (
                f"{method} {talk.base}/cam RTSP/1.0\r\nCSeq: 9\r\nContent-Length: 5\r\n\r\nvol\r\n"
            )
            talk.send(text.encode())
            assert (await talk.reply()).status == 451


@pytest.mark.parametrize("status", [404, 453, 503])
async def test_a_channel_that_cannot_be_had_says_why(stage: Stage, status: int) -> None:
    stage.channels.faults["busy"] = ChannelUnavailableError(status, "because", 2.3)
    for method, path in (("DESCRIBE", "/busy"), ("SETUP", "/busy/trackID=0")):
        reply = await one(stage, method, path, TCP)
        assert (reply.status, reply.headers["retry-after"]) == (status, "3")
        assert reply.reason == f"{REASONS[status]}: because"
    stage.channels.faults["busy"] = ChannelUnavailableError(status, "because")
    reply = await one(stage, "DESCRIBE", "/busy")
    assert reply.reason == f"{REASONS[status]}: because"
    assert "retry-after" not in reply.headers


async def test_an_odd_fault_of_a_channel_is_unavailable(stage: Stage) -> None:
    stage.channels.faults["busy"] = ChannelUnavailableError(799, "because")
    assert (await one(stage, "DESCRIBE", "/busy")).status == 503


@pytest.mark.parametrize("method", ["PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER"])
async def test_an_unknown_session_is_not_found(stage: Stage, method: str) -> None:
    assert (await one(stage, method, "/cam", "Session: nobody")).status == 454


@pytest.mark.parametrize("method", ["PLAY", "PAUSE", "TEARDOWN"])
async def test_a_missing_session_is_not_found(stage: Stage, method: str) -> None:
    assert (await one(stage, method, "/cam")).status == 454


async def test_setup_into_an_unknown_session_is_not_found(stage: Stage) -> None:
    assert (await one(stage, "SETUP", "/cam/trackID=0", TCP, "Session: nobody")).status == 454


async def test_methods_out_of_turn_are_not_valid_in_this_state(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP)).session}"
        assert (await talk.ask("PAUSE", "/cam", session)).status == 455
        assert (await talk.ask("PLAY", "/cam", session)).status == 200
        transport = "Transport: RTP/AVP/TCP;interleaved=2-3"
        assert (await talk.ask("SETUP", "/cam/trackID=1", transport, session)).status == 455
        assert (await talk.ask("PLAY", "/cam", session)).status == 200


async def test_setup_is_for_one_track(stage: Stage) -> None:
    for path in ("/cam", "/cam/"):
        assert (await one(stage, "SETUP", path, TCP)).status == 459


async def test_a_session_is_for_one_channel(stage: Stage) -> None:
    stage.channels.feeds["two", None] = stage.feed
    async with Talk(stage.address) as talk:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP)).session}"
        assert (await talk.ask("SETUP", "/two/trackID=1", TCP, session)).status == 459
        assert (await talk.ask("PLAY", "/two", session)).status == 404


async def test_the_tracks_of_a_session_play_together(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP)).session}"
        assert (await talk.ask("PLAY", "/cam/trackID=1", session)).status == 460
        transport = "Transport: RTP/AVP/TCP;interleaved=2-3"
        assert (await talk.ask("SETUP", "/cam/trackID=1", transport, session)).status == 200
        assert (await talk.ask("PLAY", "/cam/trackID=0", session)).status == 460
        assert (await talk.ask("PLAY", "/cam", session)).status == 200


async def test_a_single_track_plays_by_its_own_url(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP)).session}"
        assert (await talk.ask("PLAY", "/cam/trackID=0", session)).status == 200


async def test_multicast_is_an_unsupported_transport(stage: Stage) -> None:
    """GStreamer asks UDP, multicast, TCP in turn on one connection."""
    async with Talk(stage.address) as talk:
        multicast = "Transport: RTP/AVP;multicast"
        assert (await talk.ask("SETUP", "/cam/trackID=0", multicast)).status == 461
        assert (await talk.ask("SETUP", "/cam/trackID=0", TCP)).status == 200


async def test_tracks_of_a_session_do_not_mix_transports(stage: Stage) -> None:
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP)).session}"
        reply = await talk.ask("SETUP", "/cam/trackID=1", udp.transport, session)
        assert reply.status == 461


async def test_an_unknown_method_is_not_implemented(stage: Stage) -> None:
    assert (await one(stage, "FLY", "/cam")).status == 501
    assert (await one(stage, "describe", "/cam")).status == 501
    assert stage.server.stats.requests["other", 501] == 2


async def test_another_version_is_not_supported(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        assert (await talk.ask("OPTIONS", "*", version="RTSP/2.0")).status == 505
        assert (await talk.ask("OPTIONS", "*")).status == 200


async def test_a_required_option_is_not_supported(stage: Stage) -> None:
    reply = await one(stage, "OPTIONS", "*", "Require: com.example.fly")
    assert (reply.status, reply.headers["unsupported"]) == (551, "com.example.fly")


@pytest.mark.parametrize(
    "tracks",
    [
        [VIDEO],
        [VIDEO, msgspec.structs.replace(AUDIO, codec="OPUS")],
        [VIDEO, msgspec.structs.replace(AUDIO, clock_rate=44_100)],
        [VIDEO, msgspec.structs.replace(AUDIO, payload_type=98)],
    ],
)
async def test_play_with_other_tracks_than_were_set_up_makes_the_player_start_over(
    stage: Stage, tracks: list[Track]
) -> None:
    """Its SDP speaks of the former ones: it would decode one codec as another."""
    async with Talk(stage.address) as talk:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=1', TCP)).session}"
        assert (await talk.ask("PLAY", "/cam", session)).status == 200
        assert (await talk.ask("PAUSE", "/cam", session)).status == 200
        stage.feed.tracks = tracks
        assert (await talk.ask("PLAY", "/cam", session)).status == 454
        assert stage.players() == 0
        again = await talk.ask("SETUP", "/cam/trackID=0", TCP)
        assert (await talk.ask("PLAY", "/cam", f"Session: {again.session}")).status == 200


async def test_play_with_other_parameters_makes_the_player_start_over(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=1', TCP)).session}"
        stage.feed.sdp += "a=fmtp:97 config=1190\r\n"
        assert (await talk.ask("PLAY", "/cam", session)).status == 454


async def test_sessions_have_a_limit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 2)
    async with Talk(stage.address) as talk:
        ids = [(await talk.ask("SETUP", "/cam/trackID=0", TCP)).session for _ in range(2)]
        assert (await talk.ask("SETUP", "/cam/trackID=0", TCP)).status == 503
        assert (await talk.ask("TEARDOWN", "/cam", f"Session: {ids[0]}")).status == 200
        assert (await talk.ask("SETUP", "/cam/trackID=0", TCP)).status == 200
        assert stage.players() == 2


async def test_connections_have_a_limit(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_server, "MAX_CONNECTIONS", 2)
    async with Talk(stage.address) as one_talk, Talk(stage.address) as two:
        assert (await one_talk.ask("OPTIONS", "*")).status == 200
        assert (await two.ask("OPTIONS", "*")).status == 200
        async with Talk(stage.address) as three:
            assert (await three.reply()).status == 503
            await three.wait_closed()
        assert stage.server.stats.connections_refused == 1
    await until(lambda: not stage.server.stats.connections)
    assert (await one(stage, "OPTIONS", "*")).status == 200

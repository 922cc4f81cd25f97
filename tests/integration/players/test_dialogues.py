"""What players say, word for word, and what they must be told (reference: players.md 3)."""

from typing import NoReturn

import pytest

from clientproxy.net.rtsp.player import Player
from common import rtcp, rtp
from tests.integration.players.conftest import AUDIO, VIDEO, Stage
from tests.support.rtsp_dialogue import Talk, UdpEnd, until

VLC = "User-Agent: LibVLC/3.0.24 (LIVE555 Streaming Media v2016.11.28)"
TCP01 = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
TCP23 = "Transport: RTP/AVP/TCP;unicast;interleaved=2-3"


def no_ports(*_: object) -> NoReturn:
    raise OSError("no ports")


async def test_vlc_plays_over_udp(stage: Stage) -> None:
    stage.feed.play([stage.packet(VIDEO, 0, keyframe=True), stage.packet(AUDIO, 0.1)])
    async with Talk(stage.address, cseq=2) as talk, UdpEnd() as video, UdpEnd() as audio:
        assert (await talk.ask("OPTIONS", "/cam", VLC)).status == 200
        reply = await talk.ask("DESCRIBE", "/cam", VLC, "Accept: application/sdp")
        base = reply.headers["content-base"]
        reply = await talk.ask("SETUP", f"{base}trackID=0", VLC, video.transport)
        answer = reply.headers["transport"].split(";")
        assert answer[:3] == ["RTP/AVP", "unicast", video.transport.rpartition(";")[2]]
        assert answer[3].startswith("server_port=")
        assert reply.headers["session"].endswith(";timeout=60")
        session = f"Session: {reply.session}"
        reply = await talk.ask("SETUP", f"{base}trackID=1", VLC, audio.transport, session)
        assert reply.headers["transport"].split(";")[3] == answer[3]
        reply = await talk.ask("PLAY", base, VLC, session, "Range: npt=0.000-")
        assert (reply.status, reply.headers["range"]) == (200, "npt=now-")
        assert reply.headers["session"] == reply.session
        assert len(await video.rtp.wait(1)) == len(await audio.rtp.wait(1)) == 1
        assert (await talk.ask("GET_PARAMETER", base, VLC, session)).status == 200
        report = rtcp.receiver_report(1) + rtcp.bye(1)
        server_port = int(answer[3].rpartition("-")[2])
        video.rtcp.send(report, ("127.0.0.1", server_port))
        await until(lambda: stage.server.stats.receiver_reports == 1)
        assert (await talk.ask("TEARDOWN", base, VLC, session)).status == 200
    assert stage.players() == 0


async def test_vlcs_second_connection_after_a_failure_is_refused(stage: Stage) -> None:
    """Its satip module would show "playing" for ever if it were told 200."""
    async with Talk(stage.address, cseq=0) as talk, UdpEnd() as udp:
        assert (await talk.ask("SETUP", "/cam", udp.transport)).status == 459
        assert (await talk.ask("PLAY", "/stream=0")).status in {404, 454}
    async with Talk(stage.address, cseq=0) as talk, UdpEnd() as udp:
        assert (await talk.ask("SETUP", "/unknown", udp.transport)).status in {404, 459}
    async with Talk(stage.address) as talk:
        assert (await talk.ask("OPTIONS", "")).status == 200


async def test_vlc_comes_back_over_tcp_on_a_new_connection(stage: Stage) -> None:
    async with Talk(stage.address, cseq=2) as talk, UdpEnd() as udp:
        reply = await talk.ask("SETUP", "/cam/trackID=0", udp.transport)
        session = f"Session: {reply.session}"
        assert (await talk.ask("PLAY", "/cam/", session)).status == 200
        assert (await talk.ask("TEARDOWN", "/cam/", session)).status == 200
    async with Talk(stage.address, cseq=2) as talk:
        reply = await talk.ask("SETUP", "/cam/trackID=0", TCP01)
        assert (await talk.ask("PLAY", "/cam/", f"Session: {reply.session}")).status == 200
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
        assert [frame.channel for frame in await talk.wait_frames(2)] == [1, 0]


async def test_quicktime_plays_over_udp(stage: Stage) -> None:
    """No OPTIONS first, private headers, PLAY without a slash and with a range in micros."""
    agent = "User-Agent: QuickTime/7.7.6 (qtver=7.7.6;os=Windows NT 6.1)"
    async with Talk(stage.address) as talk, UdpEnd() as video, UdpEnd() as audio:
        reply = await talk.ask(
            "DESCRIBE", "/cam", "Accept: application/sdp", "Bandwidth: 384000", agent
        )
        assert reply.status == 200
        private = ("x-retransmit: our-retransmit", "x-dynamic-rate: 1")
        reply = await talk.ask("SETUP", "/cam/trackID=1", audio.transport, *private, agent)
        assert reply.status == 200
        assert not any(name.startswith("x-") for name in reply.headers)
        session = f"Session: {reply.session}"
        reply = await talk.ask("SETUP", "/cam/trackID=0", video.transport, *private, session)
        assert reply.status == 200
        prebuffer = "x-prebuffer: maxtime=2.000000"
        span = "Range: npt=0.000000-415.063333"
        assert (await talk.ask("PLAY", "/cam", span, prebuffer, session)).status == 200
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True), stage.packet(AUDIO, 0)])
        assert len(await video.rtp.wait(1)) == len(await audio.rtp.wait(1)) == 1
        assert (await talk.ask("TEARDOWN", "/cam", session)).status == 200


async def test_quicktime_lets_the_server_choose_channels(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        first = await talk.ask("SETUP", "/cam/trackID=0", "Transport: RTP/AVP/TCP;unicast")
        assert first.headers["transport"] == "RTP/AVP/TCP;unicast;interleaved=0-1"
        session = f"Session: {first.session}"
        second = await talk.ask("SETUP", "/cam/trackID=1", "Transport: RTP/AVP/TCP", session)
        assert second.headers["transport"] == "RTP/AVP/TCP;unicast;interleaved=2-3"
        third = await talk.ask("SETUP", "/cam/trackID=0", "Transport: RTP/AVP/TCP")
        assert third.headers["transport"] == "RTP/AVP/TCP;unicast;interleaved=4-5"


async def test_a_way_that_cannot_be_made_leaves_the_one_that_was_set_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No port is left for UDP: the player is told so, and what it had goes on."""
    monkeypatch.setattr("clientproxy.net.rtsp.delivery._bind", no_ports)
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP01)).session}"
        for track, status in ((0, 503), (1, 461)):
            path = f"/cam/trackID={track}"
            assert (await talk.ask("SETUP", path, udp.transport, session)).status == status
        assert (await talk.ask("PLAY", "/cam/", session)).status == 200
        assert (await talk.ask("SETUP", "/cam/trackID=1", TCP23, session)).status == 455
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True), stage.packet(AUDIO, 0)])
        assert [frame.channel for frame in await talk.wait_frames(2)] == [1, 0]


async def test_a_session_that_outlives_its_connection_is_set_up_anew_on_another(
    stage: Stage,
) -> None:
    """What is interleaved goes where it was asked for."""
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        reply = await talk.ask("SETUP", "/cam/trackID=0", udp.transport)
    await until(lambda: stage.server.stats.connections == 0)
    async with Talk(stage.address) as talk:
        session = f"Session: {reply.session}"
        assert (await talk.ask("SETUP", "/cam/trackID=0", TCP01, session)).status == 200
        assert (await talk.ask("PLAY", "/cam/", session)).status == 200
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
        assert [frame.channel for frame in await talk.wait_frames(2)] == [1, 0]


async def test_a_session_whose_first_track_has_no_way_is_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clientproxy.net.rtsp.delivery._bind", no_ports)
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        assert (await talk.ask("SETUP", "/cam/trackID=0", udp.transport)).status == 503
        assert stage.server.stats.sessions == 0
        assert (await talk.ask("SETUP", "/cam/trackID=0", TCP01)).status == 200


async def test_a_fault_in_one_players_way_ends_that_player_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its goodbye fails too: it is let go all the same, at the end of the daemon as well."""
    monkeypatch.setattr("clientproxy.net.rtsp.delivery.InterleavedPath.finish", no_ports)
    async with Talk(stage.address) as talk, Talk(stage.address) as other:
        for one in (talk, other):
            session = f"Session: {(await one.ask('SETUP', '/cam/trackID=0', TCP01)).session}"
            assert (await one.ask("PLAY", "/cam/", session)).status == 200
        with pytest.raises(OSError, match="no ports"):
            stage.feed.viewers[0].ended("a bug")
        await talk.wait_closed()
        assert (stage.server.stats.sessions, len(stage.feed.viewers)) == (1, 1)
        await stage.server.close()
        await other.wait_closed()


async def test_a_report_that_fails_keeps_no_other_session_from_its_own(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Player] = []

    def report(player: Player, _: float) -> None:
        reported.append(player)
        raise KeyError("a bug")

    monkeypatch.setattr(Player, "report", report)
    async with Talk(stage.address) as talk:
        for _ in range(2):
            assert (await talk.ask("SETUP", "/cam/trackID=0", "Transport: RTP/AVP/TCP")).session
        await until(lambda: len(set(reported)) == 2)


async def test_ffmpeg_falls_back_to_tcp_on_the_same_connection(stage: Stage) -> None:
    """It pauses, sets up anew without a Session, and never tears the old session down."""
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        old = (await talk.ask("SETUP", "/cam/trackID=0", udp.transport)).session
        assert (await talk.ask("PLAY", "/cam/", f"Session: {old}")).status == 200
        assert (await talk.ask("PAUSE", "/cam/", f"Session: {old}")).status == 200
        new = (await talk.ask("SETUP", "/cam/trackID=0", TCP01)).session
        assert new != old
        assert stage.players() == 1
        assert (await talk.ask("PLAY", "/cam/", f"Session: {old}")).status == 454
        session = f"Session: {new}"
        assert (await talk.ask("SETUP", "/cam/trackID=1", TCP23, session)).status == 200
        assert (await talk.ask("PLAY", "/cam/", session, "Range: npt=0.000-")).status == 200
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True), stage.packet(AUDIO, 0)])
        assert [frame.channel for frame in await talk.wait_frames(4)] == [1, 0, 3, 2]


async def test_sessions_of_one_connection_leave_each_other_alone(stage: Stage) -> None:
    """Only a new session ends an older one over UDP: not a further track of another."""
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        first = (await talk.ask("SETUP", "/cam/trackID=0", TCP01)).session
        second = (await talk.ask("SETUP", "/cam/trackID=0", udp.transport)).session
        session = f"Session: {first}"
        assert (await talk.ask("SETUP", "/cam/trackID=1", TCP23, session)).status == 200
        assert (await talk.ask("PLAY", "/cam/", f"Session: {second}")).status == 200
        assert (await talk.ask("PLAY", "/cam/", session)).status == 200


async def test_gstreamer_says_everything_twice(stage: Stage) -> None:
    """With plugins-ugly its OPTIONS carries a second User-Agent and RealMedia headers."""
    async with Talk(stage.address) as talk:
        reply = await talk.ask(
            "OPTIONS",
            "/cam",
            "User-Agent: GStreamer/1.22.0",
            "User-Agent: RealMedia Player Version 6.0.9.1235 (linux-2.0-libc6-i386-gcc2.95)",
            "ClientChallenge: 9e26d33f2984236010ef6253fb1887f7",
            "CompanyID: KnKV4M4I/B2FjJ1TToLycw==",
            "GUID: 00000000-0000-0000-0000-000000000000",
            "RegionData: 0",
            "ClientID: Linux_2.4_6.0.9.1235_play32_RN01_EN_586",
        )
        assert reply.status == 200
        reply = await talk.ask("SETUP", "/cam/trackID=0", TCP01)
        session = f"Session: {reply.session}"
        assert (await talk.ask("PLAY", "/cam/", session, "Range: npt=now-")).status == 200
        assert (await talk.ask("PAUSE", "/cam/", session)).status == 200
        assert (await talk.ask("TEARDOWN", "/cam/", session)).status == 200


async def test_a_list_of_transports_is_answered_with_the_first_that_can_be_served(
    stage: Stage,
) -> None:
    async with Talk(stage.address) as talk:
        wish = "Transport: RTP/AVP;multicast,RTP/SAVP;client_port=4-5,RTP/AVP/TCP;interleaved=6-7"
        reply = await talk.ask("SETUP", "/cam/trackID=0", wish)
        assert reply.headers["transport"] == "RTP/AVP/TCP;unicast;interleaved=6-7"


async def test_a_query_stands_before_the_track(stage: Stage) -> None:
    stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
    async with Talk(stage.address) as talk:
        path = "/cam?token=abc&b=2"
        reply = await talk.ask("DESCRIBE", path)
        assert f"a=control:{talk.base}{path}/trackID=0" in reply.body
        reply = await talk.ask("SETUP", f"{path}/trackID=0", TCP01)
        session = f"Session: {reply.session}"
        reply = await talk.ask("PLAY", f"{path}/", session)
        assert reply.headers["rtp-info"].startswith(f"url={talk.base}{path}/trackID=0;seq=65530;")
        assert (await talk.ask("PAUSE", path, session)).status == 200


async def test_a_server_in_the_url_is_passed_on(stage: Stage) -> None:
    feed = stage.channels.feeds["cam", "host:7854"] = stage.feed
    async with Talk(stage.address) as talk:
        reply = await talk.ask("SETUP", "/host:7854/cam/trackID=0", TCP01)
        session = f"Session: {reply.session}"
        assert (await talk.ask("PLAY", "/host:7854/cam/", session)).status == 200
        assert stage.players("host:7854") == 1
        assert stage.players() == 0
        assert len(feed.viewers) == 1


async def test_ipv6_players_get_ipv6_answers(stage: Stage) -> None:
    address = await stage.server.start(stage.address._replace(host="::1", port=0))
    stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
    async with Talk(address, "::1") as talk, UdpEnd("::1") as udp:
        reply = await talk.ask("DESCRIBE", "/cam")
        assert "c=IN IP6 ::" in reply.body.split("\r\n")
        assert reply.headers["content-base"] == f"rtsp://[::1]:{address.port}/cam/"
        reply = await talk.ask("SETUP", "/cam/trackID=0", udp.transport)
        assert (await talk.ask("PLAY", "/cam/", f"Session: {reply.session}")).status == 200
        (packet,) = await udp.rtp.wait(1)
        header = rtp.parse(packet)
        assert header is not None
        assert header.sequence == 65_530

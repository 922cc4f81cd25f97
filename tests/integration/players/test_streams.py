"""What players are sent: order, reports, restarts, ends, and who holds back nobody."""

import asyncio
import re
import socket
from itertools import pairwise

import pytest

from clientproxy.core import outbox
from clientproxy.core.session import SESSION_TIMEOUT
from common import rtcp, rtp
from common.fields import SenderReport
from common.ids import Address
from tests.integration.players.conftest import AUDIO, VIDEO, Stage
from tests.support.rtsp_dialogue import Frame, Talk, UdpEnd, ask_without_reading, until

TCP01 = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
TCP23 = "Transport: RTP/AVP/TCP;unicast;interleaved=2-3"


async def play_over_tcp(talk: Talk, *, audio: bool = True) -> str:
    """Set up and play; return the Session header."""
    session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP01)).session}"
    if audio:
        assert (await talk.ask("SETUP", "/cam/trackID=1", TCP23, session)).status == 200
    assert (await talk.ask("PLAY", "/cam/", session)).status == 200
    return session


needs_error_queue = pytest.mark.skipif(
    not hasattr(socket, "MSG_ERRQUEUE"), reason="this system does not tell what ICMP said"
)


async def play_over_udp(talk: Talk, udp: UdpEnd) -> tuple[str, int]:
    """Set up and play video; return the Session header and the server's RTCP port."""
    reply = await talk.ask("SETUP", "/cam/trackID=0", udp.transport)
    session = f"Session: {reply.session}"
    assert (await talk.ask("PLAY", "/cam/", session)).status == 200
    found = re.search(r"server_port=\d+-(\d+)", reply.headers["transport"])
    assert found
    return session, int(found[1])


async def goodbye(udp: UdpEnd) -> None:
    """Wait for an RTCP BYE; nothing may follow it."""
    await until(lambda: any(rtcp.byes(packet) for packet in udp.rtcp.got))
    assert rtcp.byes(udp.rtcp.got[-1])


def rtp_frames(frames: list[Frame], channel: int = 0) -> list[rtp.Header]:
    headers = [rtp.parse(frame.payload) for frame in frames if frame.channel == channel]
    return [header for header in headers if header is not None]


async def test_the_backlog_comes_at_once_with_exact_rtp_info(stage: Stage) -> None:
    stage.feed.play([stage.packet(VIDEO, 0), stage.packet(AUDIO, 0)])
    backlog = [
        stage.packet(VIDEO, 1.0, keyframe=True),
        stage.packet(VIDEO, 1.04),
        stage.packet(AUDIO, 1.25),
    ]
    stage.feed.play(backlog)
    async with Talk(stage.address) as talk:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP01)).session}"
        await talk.ask("SETUP", "/cam/trackID=1", TCP23, session)
        reply = await talk.ask("PLAY", "/cam/", session)
        assert reply.headers["rtp-info"] == (
            f"url={talk.base}/cam/trackID=0;seq=65531;rtptime=90000,"
            f"url={talk.base}/cam/trackID=1;seq=65531;rtptime=48000"
        )
        frames = await talk.wait_frames(5)
        assert [frame.channel for frame in frames] == [1, 0, 0, 3, 2]
        assert [f.payload for f in frames if not f.channel % 2] == [p.payload for p in backlog]


async def test_rtp_info_is_left_out_where_it_would_not_be_exact(stage: Stage) -> None:
    stage.feed.play([stage.packet(VIDEO, 1.0, keyframe=True)])
    async with Talk(stage.address) as talk:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', TCP01)).session}"
        await talk.ask("SETUP", "/cam/trackID=1", TCP23, session)
        assert "rtp-info" not in (await talk.ask("PLAY", "/cam/", session)).headers


async def test_only_tracks_that_are_set_up_are_sent(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        await play_over_tcp(talk, audio=False)
        stage.feed.play([stage.packet(AUDIO, 0), stage.packet(VIDEO, 0), stage.packet(AUDIO, 0.1)])
        stage.feed.play([stage.packet(VIDEO, 0.04)])
        assert {frame.channel for frame in await talk.wait_frames(3)} == {0, 1}


async def test_the_ssrc_of_the_source_is_told_where_it_is_known(stage: Stage) -> None:
    stage.feed.reports[0] = SenderReport(ssrc=0xABCDEF, ntp=1, rtp=1)
    async with Talk(stage.address) as talk:
        reply = await talk.ask("SETUP", "/cam/trackID=0", TCP01)
        assert reply.headers["transport"].endswith(";ssrc=00ABCDEF")


async def test_reports_repeat_every_five_seconds(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        await play_over_tcp(talk)
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True), stage.packet(AUDIO, 0)])
        await talk.wait_frames(4)
        stage.skew += 5
        frames = await talk.wait_frames(6)
        assert [frame.channel for frame in frames[4:]] == [1, 3]
        info = rtcp.sender_info(frames[4].payload)
        assert info is not None
        assert (info.ssrc, info.rtp, info.packets) == (1000, 0, 1)


async def test_several_players_share_one_feed(stage: Stage) -> None:
    stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
    async with Talk(stage.address) as one, Talk(stage.address) as two, UdpEnd() as udp:
        await play_over_tcp(one)
        await play_over_udp(two, udp)
        packet = stage.packet(VIDEO, 0.04)
        stage.feed.play([packet])
        assert (await one.wait_frames(3))[-1].payload == packet.payload
        assert (await udp.rtp.wait(2))[-1] == packet.payload
        assert stage.players() == 2


async def test_a_restart_of_the_source_is_one_stream_for_the_player(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        await play_over_tcp(talk, audio=False)
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
        stage.feed.restart()
        stage.numbers.clear()
        stage.feed.play([stage.packet(VIDEO, 2.0, keyframe=True, ssrc=7)])
        headers = rtp_frames(await talk.wait_frames(3))
        assert [h.sequence for h in headers] == [65_530, 65_531]
        assert [h.timestamp for h in headers] == [0, 180_000]
        assert {h.ssrc for h in headers} == {1000}


async def test_after_a_pause_the_stream_goes_on_from_the_keyframe(stage: Stage) -> None:
    keyframe = stage.packet(VIDEO, 0, keyframe=True)
    stage.feed.play([keyframe])
    async with Talk(stage.address) as talk:
        session = await play_over_tcp(talk, audio=False)
        await talk.wait_frames(2)
        assert (await talk.ask("PAUSE", "/cam/", session)).status == 200
        assert stage.feed.viewers == []
        stage.feed.play([stage.packet(VIDEO, 0.04)])
        reply = await talk.ask("PLAY", "/cam/", session)
        assert ";seq=65531;" in reply.headers["rtp-info"]
        headers = rtp_frames(await talk.wait_frames(4))
        assert [h.sequence for h in headers] == [65_530, 65_531, 65_532]
        assert headers[0].timestamp < headers[1].timestamp < headers[2].timestamp


async def test_a_pause_ends_a_backlog_over_udp_and_play_sends_it_anew(stage: Stage) -> None:
    stage.feed.play([stage.packet(VIDEO, n / 1000, size=1400, keyframe=n == 0) for n in range(200)])
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        session, _ = await play_over_udp(talk, udp)
        assert (await talk.ask("PAUSE", "/cam/", session)).status == 200
        before = stage.server.stats.packets_sent
        assert (await talk.ask("PLAY", "/cam/", session)).status == 200
        packets = await udp.rtp.wait(before - 1 + 200)
        headers = [header for packet in packets if (header := rtp.parse(packet))]
        assert all((b.sequence - a.sequence) % 65_536 < 2**15 for a, b in pairwise(headers))


async def test_play_on_a_channel_that_was_joined_anew_goes_on(stage: Stage) -> None:
    """A channel is left `linger` after its last viewer: a pause may be longer."""
    stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
    async with Talk(stage.address) as talk:
        session = await play_over_tcp(talk, audio=False)
        await talk.ask("PAUSE", "/cam/", session)
        old = stage.feed
        stage.feed = type(old)(old.sdp, old.tracks)
        stage.channels.feeds["cam", None] = stage.feed
        stage.numbers.clear()
        stage.feed.play([stage.packet(VIDEO, 60.0, keyframe=True)])
        await talk.ask("PLAY", "/cam/", session)
        headers = rtp_frames(await talk.wait_frames(3))
        assert [h.sequence for h in headers] == [65_530, 65_531]
        assert old.viewers == []


async def test_a_track_may_be_added_during_a_pause(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        session = await play_over_tcp(talk, audio=False)
        await talk.ask("PAUSE", "/cam/", session)
        assert (await talk.ask("SETUP", "/cam/trackID=1", TCP23, session)).status == 200
        await talk.ask("PLAY", "/cam/", session)
        stage.feed.play([stage.packet(AUDIO, 0)])
        assert [frame.channel for frame in await talk.wait_frames(2)] == [3, 2]


async def test_the_end_of_a_stream_is_a_bye_on_every_track_then_a_closed_connection(
    stage: Stage,
) -> None:
    async with Talk(stage.address) as talk:
        await play_over_tcp(talk)
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True), stage.packet(AUDIO, 0)])
        stage.feed.end("other codecs")
        await talk.wait_closed()
        assert [bool(rtcp.byes(frame.payload)) for frame in talk.frames] == [False] * 4 + [True] * 2
        assert [frame.channel for frame in talk.frames[4:]] == [1, 3]
    assert stage.players() == 0


async def test_the_end_of_a_stream_over_udp_is_a_bye_too(stage: Stage) -> None:
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        await play_over_udp(talk, udp)
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
        stage.feed.end("channel closed")
        await goodbye(udp)
        await talk.wait_closed()


async def test_closing_the_server_says_goodbye_to_every_player(stage: Stage) -> None:
    stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
    async with Talk(stage.address) as one, Talk(stage.address) as two, UdpEnd() as udp:
        await play_over_tcp(one)
        await play_over_udp(two, udp)
        await one.wait_frames(2)
        await stage.server.close()
        await one.wait_closed()
        assert rtcp.byes(one.frames[-1].payload)
        await goodbye(udp)


async def test_a_player_that_vanishes_over_tcp_leaves_nothing(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        await play_over_tcp(talk)
        assert stage.players() == 1
        talk.writer.transport.abort()
        await until(lambda: stage.players() == 0)
    assert stage.feed.viewers == []


async def test_a_session_over_udp_outlives_its_connection_until_the_timeout(stage: Stage) -> None:
    """VLC plays on and sends its next keep-alive, with the old session, on a new connection."""
    async with UdpEnd() as udp:
        async with Talk(stage.address) as talk:
            session, _ = await play_over_udp(talk, udp)
        await until(lambda: not stage.server.stats.connections)
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
        assert len(await udp.rtp.wait(1)) == 1
        for method in ("GET_PARAMETER", "OPTIONS", "SET_PARAMETER"):
            stage.skew += SESSION_TIMEOUT - 2
            async with Talk(stage.address) as talk:
                assert (await talk.ask(method, "/cam/", session)).status == 200
            await asyncio.sleep(0.6)  # a turn of the server's own timer
            assert stage.players() == 1
        stage.skew += 2 * SESSION_TIMEOUT
        await until(lambda: stage.players() == 0)
        assert stage.server.stats.sessions_expired == 1
        await goodbye(udp)


@pytest.mark.parametrize("paused", [False, True])
async def test_an_open_connection_keeps_a_session_over_udp_alive(
    stage: Stage, *, paused: bool
) -> None:
    """Ffmpeg sends no keep-alive while it waits for a source that is silent."""
    async with UdpEnd() as udp:
        async with Talk(stage.address) as talk:
            session, _ = await play_over_udp(talk, udp)
            if paused:
                assert (await talk.ask("PAUSE", "/cam/", session)).status == 200
            stage.skew += 10 * SESSION_TIMEOUT
            await asyncio.sleep(1.2)  # two turns of the server's own timer
            assert stage.players() == 1
            assert (await talk.ask("PLAY", "/cam/", session)).status == 200
            stage.skew += 2 * SESSION_TIMEOUT
        await until(lambda: stage.players() == 0)
        assert stage.server.stats.sessions_expired == 1


async def test_the_last_connection_that_named_a_session_keeps_it_alive(stage: Stage) -> None:
    async with UdpEnd() as udp:
        async with Talk(stage.address) as talk:
            session, _ = await play_over_udp(talk, udp)
        await until(lambda: not stage.server.stats.connections)
        async with Talk(stage.address) as first, Talk(stage.address) as last:
            assert (await first.ask("OPTIONS", "/cam/", session)).status == 200
            assert (await last.ask("GET_PARAMETER", "/cam/", session)).status == 200
            stage.skew += 10 * SESSION_TIMEOUT
            await first.wait_closed()  # idle, and another one has named the session since
            assert stage.players() == 1
            assert (await last.ask("OPTIONS", "/cam/")).status == 200
        stage.skew += 2 * SESSION_TIMEOUT
        await until(lambda: stage.players() == 0)
        assert stage.server.stats.sessions_expired == 1


async def test_receiver_reports_keep_a_session_over_udp_alive(stage: Stage) -> None:
    """They do without a connection; punched holes and strangers do not count."""
    async with UdpEnd() as udp:
        async with Talk(stage.address) as talk:
            _, port = await play_over_udp(talk, udp)
        await until(lambda: not stage.server.stats.connections)
        for turn in (1, 2, 3):
            stage.skew += SESSION_TIMEOUT - 2
            udp.rtcp.send(rtcp.receiver_report(7), ("127.0.0.1", port))
            await stage.until_reports(turn)
            await asyncio.sleep(0.6)
            assert stage.players() == 1
        stage.skew += 2 * SESSION_TIMEOUT
        for punch in (b"\xce\xfa\xed\xfe", bytes(200), b"\x80\x00" + bytes(10), b""):
            udp.rtcp.send(punch, ("127.0.0.1", port))
            udp.rtp.send(punch, ("127.0.0.1", port - 1))
        await until(lambda: stage.players() == 0)
        assert stage.server.stats.receiver_reports == 3


async def feed_on(stage: Stage, seconds: float) -> None:
    """Send a packet each 20 ms until nobody plays, for so long at most."""
    at, end = 0.0, asyncio.get_running_loop().time() + seconds
    while stage.players() and asyncio.get_running_loop().time() < end:
        stage.feed.play([stage.packet(VIDEO, at, keyframe=at == 0)])
        at += 0.02
        await asyncio.sleep(0.02)


@needs_error_queue
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_player_over_udp_that_is_killed_is_no_player_after_seconds(
    stage: Stage, host: str
) -> None:
    """Its connection ends, and its ports refuse what is sent (ICMP): it will not come back."""
    if host == "::1":
        await stage.server.start(Address("::1", stage.address.port))
    async with UdpEnd(host) as udp, Talk(stage.address, host) as talk:
        await play_over_udp(talk, udp)
    await feed_on(stage, 20.0)
    assert stage.players() == 0
    assert stage.server.stats.sessions_expired == 1
    assert stage.feed.viewers == []


@needs_error_queue
@pytest.mark.parametrize("what", ["connection", "ports", "one track"])
async def test_half_a_sign_of_death_ends_no_session(stage: Stage, what: str) -> None:
    """Without its connection a session goes on; ports may be opened late, or never."""
    async with UdpEnd() as udp, UdpEnd() as audio, Talk(stage.address) as talk:
        if what == "one track":
            reply = await talk.ask("SETUP", "/cam/trackID=0", udp.transport)
            session = f"Session: {reply.session}"
            await talk.ask("SETUP", "/cam/trackID=1", audio.transport, session)
            assert (await talk.ask("PLAY", "/cam/", session)).status == 200
        else:
            await play_over_udp(talk, udp)
        if what != "connection":
            udp.close()
        if what != "ports":
            talk.writer.close()
            await until(lambda: not stage.server.stats.connections)
        await feed_on(stage, 2.5)
        assert stage.players() == 1
        if what == "one track":
            assert stage.server.stats.packets_dropped == 0


async def test_an_open_connection_keeps_a_session_over_tcp_alive(stage: Stage) -> None:
    """VLC and GStreamer send no keep-alive over TCP, ffmpeg no receiver reports."""
    async with Talk(stage.address) as talk, Talk(stage.address) as idle:
        await play_over_tcp(talk)
        assert (await idle.ask("OPTIONS", "*")).status == 200
        stage.skew += 10 * SESSION_TIMEOUT
        await idle.wait_closed()
        assert stage.players() == 1
        talk.send(b"$\x01\x00\x08" + rtcp.receiver_report(1))
        await until(lambda: stage.server.stats.receiver_reports == 1)


async def test_a_player_that_stops_reading_holds_back_nobody(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its packets are skipped up to a keyframe; when it reads again it goes on from there."""
    monkeypatch.setattr(outbox, "MAX_WAITING_BYTES", 1_000_000)
    async with Talk(stage.address) as stalled, Talk(stage.address) as other:
        await play_over_tcp(stalled, audio=False)
        await play_over_tcp(other, audio=False)
        stalled.stop_reading()
        sent = 0
        async with asyncio.timeout(60):
            while stage.server.stats.skips == 0:
                batch = [stage.packet(VIDEO, sent / 1e5, size=1200) for _ in range(100)]
                stage.feed.play(batch)
                sent += len(batch)
                assert len(await other.wait_frames(sent + 1)) == sent + 1
        assert stage.server.stats.packets_skipped > 0
        keyframe = stage.packet(VIDEO, 1.0, size=1200, keyframe=True)
        stage.feed.play([stage.packet(VIDEO, 0.99, size=1200), keyframe])
        stalled.go_on_reading()
        while stalled.frames[-1:] == [] or stalled.frames[-1].payload != keyframe.payload:
            await stalled.wait_frames(len(stalled.frames) + 1)
        headers = rtp_frames(stalled.frames)
        steps = {(b.sequence - a.sequence) % 65_536 for a, b in pairwise(headers)}
        assert len(steps) == 2  # one by one, and the one hole
        assert stage.server.stats.skips == 1


async def test_a_large_backlog_over_udp_comes_whole_and_in_order(stage: Stage) -> None:
    """It is sent in portions that the default receive buffer of a player can take."""
    stage.feed.play(
        [stage.packet(VIDEO, n / 1000, size=1400, keyframe=n == 0) for n in range(2000)]
    )
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        await play_over_udp(talk, udp)
        packets = await udp.rtp.wait(2000)
        headers = [header for packet in packets if (header := rtp.parse(packet))]
        assert [(h.sequence - 65_530) % 65_536 for h in headers] == list(range(2000))


async def test_teardown_while_a_backlog_is_being_sent_ends_it(stage: Stage) -> None:
    stage.feed.play(
        [stage.packet(VIDEO, n / 1000, size=1400, keyframe=n == 0) for n in range(2000)]
    )
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        session, _ = await play_over_udp(talk, udp)
        assert (await talk.ask("TEARDOWN", "/cam/", session)).status == 200
        assert stage.players() == 0


async def test_pipelined_requests_are_answered_in_order(stage: Stage) -> None:
    async with Talk(stage.address) as talk:
        for cseq in range(1, 40):
            talk.send(f"OPTIONS * RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n".encode())
        talk.writer.write_eof()
        for cseq in range(1, 40):
            assert (await talk.reply()).headers["cseq"] == str(cseq)
        await talk.wait_closed()


async def test_a_player_that_asks_but_never_reads_gets_no_further_answers(stage: Stage) -> None:
    stage.feed.sdp += "a=x-padding:" + "x" * 60_000 + "\r\n"
    async with Talk(stage.address) as stalled, Talk(stage.address) as other:
        stalled.stop_reading()
        await ask_without_reading(stalled, other, stage.described)


async def test_a_single_track_may_change_to_tcp_before_it_plays(stage: Stage) -> None:
    async with Talk(stage.address) as talk, UdpEnd() as udp:
        session = f"Session: {(await talk.ask('SETUP', '/cam/trackID=0', udp.transport)).session}"
        assert (await talk.ask("SETUP", "/cam/trackID=0", TCP01, session)).status == 200
        assert (await talk.ask("PLAY", "/cam/", session)).status == 200
        stage.feed.play([stage.packet(VIDEO, 0, keyframe=True)])
        assert [frame.channel for frame in await talk.wait_frames(2)] == [1, 0]
        assert udp.rtp.got == []


async def test_a_port_that_is_taken_is_an_error(stage: Stage) -> None:
    with pytest.raises(OSError, match="in use"):
        await stage.server.start(stage.address)


async def test_the_status_names_each_session_with_its_transport(stage: Stage) -> None:
    async with Talk(stage.address) as one, Talk(stage.address) as two, UdpEnd() as udp:
        await play_over_tcp(one)
        await two.ask("SETUP", "/cam/trackID=0", udp.transport)
        first, second = stage.server.sessions
        assert str(first.pop("peer")).startswith("127.0.0.1:")
        assert str(second.pop("peer")).startswith("127.0.0.1:")
        known = {"channel": "cam", "server": None, "skipped": 0}
        assert first == {**known, "transport": "tcp", "plays": True}
        assert second == {**known, "transport": "udp", "plays": False}

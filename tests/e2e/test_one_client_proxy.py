"""One client proxy as its user has it: several channels, several players, no configuration."""

from pathlib import Path

import pytest

from common.ids import Address
from tests.support.capture import capture
from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL
from tests.support.players import FfmpegRecorder, GstPlayer, harm
from tests.support.processes import wait_until
from tests.support.rtsp_dialogue import Talk, UdpEnd
from tests.support.sources import GstOptions, GstSource

pytestmark = pytest.mark.e2e

VLC = "User-Agent: LibVLC/3.0.24 (LIVE555 Streaming Media v2016.11.28)"


def test_several_channels_and_several_players_on_one_node(tmp_path: Path) -> None:
    """Two channels, two players on the first; the channels are left after the last player."""
    with (
        GstSource(tmp_path, name="one") as one,
        GstSource(tmp_path, GstOptions(video=None), name="two") as two,
    ):
        server = ServerProxy(tmp_path, {"one": one.url, "two": two.url})
        server.wait_ready()
        file = tmp_path / "client.yaml"
        file.write_text("linger: 1\n")
        client = ClientProxy(tmp_path, server.overlay, arguments=["--config", str(file)])
        client.wait_ready()
        recorders = [
            FfmpegRecorder(client.url("one"), tmp_path, 6, "udp"),
            FfmpegRecorder(client.url("one"), tmp_path, 6, "tcp"),
            FfmpegRecorder(client.url("two"), tmp_path, 6, "tcp"),
        ]
        gst = GstPlayer(client.url("one"), tmp_path, 6)
        for recorder, source, tracks in zip(
            recorders, (one, one, two), (("video", "audio"),) * 2 + (("audio",),), strict=True
        ):
            compare(source.sent, recorder.result().path, expect=tracks, least=100).check()
        played = gst.result()
        assert played.pictures > 50, str(played)
        assert not harm(played.faults), str(played)
        wait_until(lambda: client.api()["channels"] == [], 20, "both channels are left")
        wait_until(lambda: server.metrics().total("stripecast_nodes") == 0, 10, "no node is left")
        client.stop()
        server.stop()


def test_the_url_of_a_player_names_the_server_proxy(tmp_path: Path) -> None:
    """`clientproxy run` without any argument: the URI says where the stream is (S6, Z36)."""
    server = ServerProxy(tmp_path, {CHANNEL: "testcard:"})
    server.wait_ready()
    assert '"open: anyone may read this channel"' in server.text()
    argv = ["clientproxy", "run", "--listen", "127.0.0.1:0", "--rtsp", "127.0.0.1:0"]
    client = _Bare(argv, tmp_path)
    client.wait_ready()
    got = capture(client.url(f"{server.overlay}/{CHANNEL}"), 3)
    assert len(got.rtp["video"]) > 50
    assert len(got.rtp["audio"]) > 50
    client.stop()
    server.stop()


class _Bare(ClientProxy):
    """A client proxy that is told no server proxy."""

    def __init__(self, argv: list[str], folder: Path) -> None:
        self._ports: dict[str, str] = {}
        super(ClientProxy, self).__init__([*argv, "--http", "127.0.0.1:0"], folder / "bare.log")


async def test_vlcs_dialogue_on_a_channel_that_nobody_has_joined(tmp_path: Path) -> None:
    """players.md 3.4, over UDP, on a real client proxy: DESCRIBE joins, PLAY brings both tracks."""
    server = ServerProxy(tmp_path, {CHANNEL: "testcard:"})
    server.wait_ready()
    client = ClientProxy(tmp_path, server.overlay)
    client.wait_ready()
    address = Address.parse(client.port("rtsp"), 0)
    async with Talk(address, cseq=2) as talk, UdpEnd() as video, UdpEnd() as audio:
        assert (await talk.ask("OPTIONS", f"/{CHANNEL}", VLC)).status == 200
        reply = await talk.ask("DESCRIBE", f"/{CHANNEL}", VLC, "Accept: application/sdp")
        base = reply.headers["content-base"]
        reply = await talk.ask("SETUP", f"{base}trackID=0", VLC, video.transport)
        session = f"Session: {reply.session}"
        await talk.ask("SETUP", f"{base}trackID=1", VLC, audio.transport, session)
        reply = await talk.ask("PLAY", base, VLC, session, "Range: npt=0.000-")
        assert reply.status == 200
        assert len(await video.rtp.wait(100)) >= 100
        assert len(await audio.rtp.wait(50)) >= 50
        assert await video.rtcp.wait(1), "a sender report goes before the first packet"
        assert (await talk.ask("GET_PARAMETER", base, VLC, session)).status == 200
        assert (await talk.ask("TEARDOWN", base, VLC, session)).status == 200
    client.stop()
    server.stop()

"""Players as people have them, on real daemons: HTTP, IPv6, passwords, one that hangs."""

import os
import signal
import time
from pathlib import Path

import pytest

from common.keyframe import KeyframeDetector
from tests.support.capture import captures, compare_captures
from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet, long
from tests.support.players import FfmpegPlayer, FfmpegRecorder, GstPlayer, harm
from tests.support.processes import wait_until
from tests.support.rtsp_client import RtspClient, Transport
from tests.support.sources import GstOptions, GstSource

pytestmark = pytest.mark.e2e

ALL: tuple[Transport, ...] = ("udp", "tcp", "http")
PASSWORD = "s3cret-word"


def test_through_http_is_packet_for_packet_what_the_source_sends(tmp_path: Path) -> None:
    """The same packets directly, through HTTP and over UDP; what ffmpeg receives is exact (Z36)."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, 1) as fleet:
        (client,) = fleet.clients
        url = client.url(CHANNEL)
        recorder = FfmpegRecorder(url, tmp_path, long(5, 30), "http")
        gst = GstPlayer(url, tmp_path, long(5, 30), "http")
        direct, *through = captures([(source.url, "tcp"), (url, "http"), (url, "udp")], 4)
        for one in through:
            compare_captures(direct, one).check()
        compare(source.sent, recorder.result().path, least=80).check()
        played = gst.result()
        assert played.pictures > 50, str(played)
        assert not harm(played.faults), str(played)
        wait_until(lambda: _players(client) == 0, 10, "every player has left")


def _players(client: ClientProxy) -> float:
    return client.metrics().total("stripecast_players")


def test_over_ipv6_all_the_way(tmp_path: Path) -> None:
    """Overlay, players and HTTP on ::1; RTP over UDP, TCP and HTTP."""
    with GstSource(tmp_path) as source:
        server = ServerProxy(tmp_path, {CHANNEL: source.url}, host="[::1]")
        server.wait_ready()
        assert server.overlay.startswith("[::1]:")
        clients = [
            ClientProxy(tmp_path, server.overlay, host="[::1]", join=[CHANNEL]) for _ in range(2)
        ]
        for client in clients:
            client.wait_ready()
        recorders = [
            FfmpegRecorder(client.url(CHANNEL), tmp_path, long(4, 20), lower)
            for client in clients
            for lower in ALL
        ]
        gst = GstPlayer(clients[0].url(CHANNEL), tmp_path, 4, "udp")
        for recorder in recorders:
            compare(source.sent, recorder.result().path, least=60).check()
        played = gst.result()
        assert played.pictures > 40, str(played)
        for daemon in (*clients, server):
            daemon.stop()


def test_players_of_other_machines_need_the_password(tmp_path: Path) -> None:
    """`--rtsp 0.0.0.0:…`: with the right one all play, over each transport; with none nobody."""
    file = tmp_path / "client.yaml"
    file.write_text('rtsp_username: viewer\nrtsp_password: "${PLAYER_PASSWORD}"\n')
    arguments = ["--config", str(file), "--rtsp", "0.0.0.0:0"]
    with GstSource(tmp_path) as source:
        server = ServerProxy(tmp_path, {CHANNEL: source.url})
        server.wait_ready()
        client = ClientProxy(
            tmp_path,
            server.overlay,
            join=[CHANNEL],
            arguments=arguments,
            env={"PLAYER_PASSWORD": PASSWORD},
        )
        client.wait_ready()

        def url(user: str) -> str:
            return client.url(CHANNEL).replace("0.0.0.0", f"{user}127.0.0.1")

        right, wrong = url(f"viewer:{PASSWORD}@"), url("viewer:guess@")
        refused: list[FfmpegPlayer | GstPlayer] = [
            FfmpegPlayer(url(""), tmp_path, 3, "tcp"),
            FfmpegPlayer(wrong, tmp_path, 3, "tcp"),
            GstPlayer(wrong, tmp_path, 3, "tcp"),
        ]
        recorders = [FfmpegRecorder(right, tmp_path, 4, one) for one in ALL]
        players = [GstPlayer(right, tmp_path, 4, one) for one in ALL]
        for recorder in recorders:
            compare(source.sent, recorder.result().path, least=60).check()
        for player in players:
            played = player.result()
            assert played.pictures > 40, str(played)
        assert [one.result().pictures for one in refused] == [0, 0, 0]
        shown = client.text() + client.get("/api/v1/status")[1] + client.get("/metrics")[1]
        assert "wrong user name or password" in shown
        assert "without a password" not in shown
        assert PASSWORD not in shown
        assert "guess" not in shown
        client.stop()
        server.stop()


def test_who_listens_to_other_machines_without_a_password_is_warned(tmp_path: Path) -> None:
    argv = {"[::]:0": True, "0.0.0.0:0": True, "127.0.0.1:0": False, "[::1]:0": False}
    clients = {
        address: ClientProxy(tmp_path, "127.0.0.1:9", arguments=["--rtsp", address])
        for address in argv
    }
    for address, warned in argv.items():
        clients[address].wait_listening()
        clients[address].stop()
        assert ("without a password" in clients[address].text()) == warned, address


def test_a_stopped_player_holds_back_nobody(tmp_path: Path) -> None:
    """The others on its node and below it get every packet; it plays on when it is let."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, 2) as fleet:
        client, other = fleet.clients
        stopped = FfmpegPlayer(client.url(CHANNEL), tmp_path, 120, "tcp")
        stopped.wait_picture()
        os.kill(stopped.pid, signal.SIGSTOP)
        before = _resident(client)
        recorders = [
            FfmpegRecorder(one.url(CHANNEL), tmp_path, long(8, 60), lower)
            for one, lower in zip((other, client, client), ALL, strict=True)
        ]
        for recorder in recorders:
            compare(source.sent, recorder.result().path, least=150).check()
        assert _resident(client) - before < 24 * 2**20
        shown = len(stopped.pictures)
        os.kill(stopped.pid, signal.SIGCONT)
        wait_until(lambda: len(stopped.pictures) > shown + 50, 20, "the stopped one plays on")
        stopped.terminate(5.0, signal.SIGTERM)
        fleet.assert_nothing_lost()


def _resident(daemon: ClientProxy) -> int:
    """Return the bytes of memory that a daemon holds."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


class _Beginning:
    """The first picture of a player that has just come."""

    def __init__(self, url: str) -> None:
        """Play until it is whole."""
        self.picture: list[bytes] = []
        self.seconds = 0.0
        """Until its first packet."""
        self._began = time.monotonic()
        self._whole = False
        with RtspClient(url, self._take) as player:
            player.setup(next(media for media in player.describe() if media.kind == "video"))
            player.ask("PLAY", player.base)
            while not self._whole:
                assert time.monotonic() - self._began < 20
                player.poll(1)
            player.send_request("TEARDOWN", player.base)

    @property
    def is_keyframe(self) -> bool:
        return any(map(KeyframeDetector("H264").push, self.picture))

    def _take(self, kind: str, is_rtcp: bool, data: bytes) -> None:
        if is_rtcp or self._whole:
            return
        if not self.picture:
            self.seconds = time.monotonic() - self._began
        self._whole = bool(self.picture) and self.picture[0][4:8] != data[4:8]
        if not self._whole:
            self.picture.append(data)


def test_every_player_starts_with_a_picture_however_rare_keyframes_are(tmp_path: Path) -> None:
    """One every 10 s: the first player of a node and the next ones begin with the last of them."""
    with (
        GstSource(tmp_path, GstOptions(video="sparse")) as source,
        Fleet(tmp_path, source.url, 1) as fleet,
    ):
        (client,) = fleet.clients
        watching = FfmpegPlayer(client.url(CHANNEL), tmp_path, 120, "tcp")
        watching.wait_picture()  # the source was pulled in the midst of a group of pictures
        beginnings: list[_Beginning] = []
        for _ in range(5):
            beginnings.append(_Beginning(client.url(CHANNEL)))
            time.sleep(1)  # they come at other moments between two keyframes
        starts = sorted(one.seconds for one in beginnings)
        assert starts[-2] < 1.5, starts  # who waits for a keyframe waits longer, four times of five
        assert [one.is_keyframe for one in beginnings] == [True] * len(beginnings)
        watching.terminate(5.0, signal.SIGTERM)

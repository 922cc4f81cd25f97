"""SIGHUP while people watch: another channel comes, changes and goes; they lose nothing.

The passwords of the sources come from the environment and from a credential of systemd, and are
nowhere to be read.
"""

import signal
from pathlib import Path

import pytest

from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.exactness import compare
from tests.support.players import FfmpegPlayer, FfmpegRecorder, Lower
from tests.support.processes import wait_until
from tests.support.sources import GstOptions, GstSource

pytestmark = pytest.mark.e2e

LONGEST = 300.0
"""Seconds; the recordings are stopped before."""
ENOUGH = 100
"""Pictures that a recording has to have; the first and the last may be cut."""
LOWERS: tuple[Lower, ...] = ("udp", "tcp", "udp")
USER, PASSWORD, OTHER = "ingrid", "wald.und.wiese", "moor.und.heide"
A = 'a: {source: "%s", username: "${CAM_USER}", password: "${credential:cam}"}'
B = 'b: {source: "rtsp://${CAM_USER}:${CAM_OTHER}@%s"%s}'


class Server:
    """A server proxy process, and the file that it follows."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "serverproxy.yaml"
        credentials = folder / "credentials"
        credentials.mkdir()
        (credentials / "cam").write_text(f"{PASSWORD}\n")
        self._folder = folder
        self._env = {
            "CREDENTIALS_DIRECTORY": str(credentials),
            "CAM_USER": USER,
            "CAM_OTHER": OTHER,
        }

    def start(self, *channels: str) -> ServerProxy:
        self.write(*channels)
        arguments = ["--config", str(self.file), "--log-level", "debug"]
        self.proxy = ServerProxy(self._folder, {}, arguments=arguments, env=self._env)
        self.proxy.wait_ready()
        return self.proxy

    def write(self, *channels: str) -> None:
        self.file.write_text("channels:\n" + "".join(f"  {channel}\n" for channel in channels))

    def reload(self, said: str, *channels: str) -> None:
        """Write the file anew, send SIGHUP, and wait for what the log says."""
        self.write(*channels)
        self.proxy.send(signal.SIGHUP)
        self.proxy.expect(said, 30)


def plays(client: ClientProxy, channel: str, folder: Path) -> bool:
    """Whether a player gets pictures of a channel."""
    return FfmpegPlayer(client.url(channel), folder, 2, "tcp").result().pictures > 10


def test_who_watches_one_channel_notices_nothing_of_another(tmp_path: Path) -> None:
    first = GstOptions(auth=f"{USER}:{PASSWORD}")
    second = GstOptions(auth=f"{USER}:{OTHER}")
    with (
        GstSource(tmp_path, first, name="first") as one,
        GstSource(tmp_path, second, name="second") as other,
    ):
        a, where = A % one.url, other.url.removeprefix("rtsp://")
        server = Server(tmp_path)
        proxy = server.start(a)
        clients = [ClientProxy(tmp_path, proxy.overlay, join=["a"]) for _ in range(3)]
        for client in clients:
            client.wait_ready()
        recorders = [
            FfmpegRecorder(client.url("a"), tmp_path, LONGEST, lower)
            for client, lower in zip(clients, LOWERS, strict=True)
        ]
        one.expect_sent(25)

        server.reload('"reloaded: this channel is new", "channel": "b"|"channel": "b".*is new', a,
                      B % (where, ""))  # fmt: skip
        wait_until(lambda: plays(clients[0], "b", tmp_path), 60, "b plays", 0.1)
        server.reload("reloaded: log_time: counts at once", a, B % (where, ", log_time: 5"))
        server.reload(
            "reloaded: transport: the source of this channel is pulled anew",
            a,
            B % (where, ", log_time: 5, transport: udp"),
        )
        server.reload(
            "reloaded: stripes: this channel begins anew",
            a,
            B % (where, ", log_time: 5, transport: udp, stripes: 1"),
        )
        wait_until(lambda: plays(clients[0], "b", tmp_path), 60, "b plays again", 0.1)
        server.reload("nothing reloaded: .*b.source .*: is missing", a, "b: {log_time: 1}")
        server.reload("nothing reloaded: .*CAM_NONE, which is not set", a.replace("USER", "NONE"))
        watching = FfmpegPlayer(clients[1].url("b"), tmp_path, LONGEST, "tcp")
        watching.wait_picture()
        server.reload("reloaded: this channel is closed", a)
        assert watching.wait(30) is not None  # told at once, long before its time is over
        assert not plays(clients[0], "b", tmp_path)

        one.expect_sent(50)
        assert all(recorder.returncode is None for recorder in recorders)
        for recorder in recorders:
            recorder.wait_recorded(ENOUGH)
            recorder.send(signal.SIGINT)
        verdicts = [
            compare(one.sent, recorder.result().path, least=ENOUGH - 2) for recorder in recorders
        ]
        assert [str(verdict) for verdict in verdicts if not verdict.exact] == []
        lost = [
            client.metrics().total("stripecast_packets_lost_total", channel="a")
            for client in clients
        ]
        assert lost == [0.0] * 3
        said = [proxy.get(path)[1] for path in ("/metrics", "/api/v1/status", "/api/v1/channels/a")]
        for daemon in (*clients, proxy):
            daemon.stop()
            said.append(daemon.text())
        for secret in (PASSWORD, OTHER, USER):
            assert all(secret not in text for text in said), secret

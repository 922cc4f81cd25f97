"""What goes wrong at a user's desk: one clear line, the right status, no traceback (S12, Z30)."""

import socket
import time
from pathlib import Path

import pytest

from tests.support.daemons import ClientProxy, Daemon, ServerProxy
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, Fleet
from tests.support.players import FfmpegRecorder
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.rtsp_client import RtspClient
from tests.support.sources import GstOptions, GstSource

pytestmark = pytest.mark.e2e

GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"GET / HTTP/1.1\r\n\r\n",
    b"00005\n{}   ",
    b"99999\n" + b"x" * 99_999,
    b'00057\n{"MessageType":"Attach","version":1,"channel":"cam","x":1}',
    bytes(range(256)) * 64,
    b"OPTIONS * RTSP/1.0\r\nCSeq: -1\r\n\r\n",
    b"$\x00\xff\xff" + bytes(70_000),
    b"",
)


def _warnings(daemon: Daemon, text: str) -> list[str]:
    return [line for line in daemon.text().splitlines() if text in line]


def _status(url: str) -> int:
    """Return the status of DESCRIBE."""
    with RtspClient(url, lambda _kind, _is_rtcp, _data: None) as client:
        return client.request("DESCRIBE", url, {"Accept": "application/sdp"}, 20.0).status


def _one_line(daemon: Daemon, *words: str) -> None:
    """Wait for one line that has all the words; there is no second one within two seconds."""

    def lines() -> list[str]:
        return [x for x in daemon.text().splitlines() if all(word in x for word in words)]

    wait_until(lambda: bool(lines()), 20, f"a line with {words}")
    time.sleep(2)  # long enough for several more tries
    assert len(lines()) == 1, "\n".join(lines())
    daemon.check_log()


def test_a_source_that_cannot_be_reached_is_named_and_tried_again(tmp_path: Path) -> None:
    """One line; viewers get 503; when the source comes up the channel plays by itself."""
    port = free_port()
    server = ServerProxy(tmp_path, {CHANNEL: f"rtsp://me:secret@127.0.0.1:{port}/live"})
    client = ClientProxy(tmp_path, server.overlay)
    client.wait_ready()
    _one_line(server, '"warning"', f"rtsp://***@127.0.0.1:{port}/live", "refuses connections")
    assert "secret" not in server.text() + str(server.api())
    assert _status(client.url(CHANNEL)) == 503
    with GstSource(tmp_path, GstOptions(port=port)) as source:
        server.wait_ready(30)
        recording = FfmpegRecorder(client.url(CHANNEL), tmp_path, 3).result()
        compare(source.sent, recording.path, least=40).check()
    client.stop()
    server.stop()


def test_a_wrong_password_is_said_so(tmp_path: Path) -> None:
    """401 is told as such, and the password nowhere."""
    with GstSource(tmp_path, GstOptions(auth="me:right")) as source:
        server = ServerProxy(tmp_path, {CHANNEL: source.url_with("me:s3cr3t")})
        _one_line(server, '"warning"', "401", "password")
        assert "s3cr3t" not in server.text() + str(server.api())
        server.stop()


def test_a_source_that_is_not_rtsp_is_said_so(tmp_path: Path) -> None:
    """An HTTP server answers: one line that says it is no RTSP server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        port = listener.getsockname()[1]
        server = ServerProxy(tmp_path, {CHANNEL: f"rtsp://127.0.0.1:{port}/live"})
        link, _ = listener.accept()
        assert link.recv(1000).startswith(b"OPTIONS")
        link.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        wait_until(lambda: bool(_warnings(server, '"warning"')), 20, "a warning")
        assert "is not an RTSP server" in _warnings(server, '"warning"')[0]
        link.close()
        server.stop()


def test_an_unknown_channel_and_a_server_that_is_away(tmp_path: Path) -> None:
    """404 at once with the channels that exist; 503 while the server proxy is away."""
    server = ServerProxy(tmp_path, {CHANNEL: "testcard:"})
    server.wait_ready()
    client = ClientProxy(tmp_path, server.overlay)
    client.wait_ready()
    assert _status(client.url("nonesuch")) == 404
    client.expect("there are: cam", 20)  # the answer may be here before the line of the log is
    assert _status(client.url(CHANNEL)) == 200
    assert _status(client.url("a/b/c")) in (400, 404)
    server.stop()
    lonely = ClientProxy(tmp_path, f"127.0.0.1:{free_port()}")
    lonely.wait_ready()
    began = time.monotonic()
    assert _status(lonely.url(CHANNEL)) == 503
    assert time.monotonic() - began < 10, "VLC gives up after five seconds"
    lonely.expect("clientproxy.net.control", 20)
    assert len(_warnings(lonely, "clientproxy.net.control")) == 1
    lonely.stop()
    client.stop()


@pytest.mark.parametrize("flag", ["--listen", "--http"])
def test_a_port_that_is_taken_ends_the_daemon_with_one_line(tmp_path: Path, flag: str) -> None:
    """Exit code 1; the line names the address and the flag."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = ServerProxy(
            tmp_path, {CHANNEL: "testcard:"}, arguments=[flag, address], fresh=True
        )
        assert server.wait(30) == 1
        (line,) = _warnings(server, '"error"')
        assert address in line
        assert flag in line
        server.check_log()


def test_a_bad_file_ends_the_daemon_with_every_fault(tmp_path: Path) -> None:
    """Exit code 2 before any socket opens; each fault has its dotted key."""
    file = tmp_path / "bad.yaml"
    file.write_text(
        "channels: {cam: {source: 'http://x/', stripes: 3, colour: red}}\nlog_level: no\n"
    )
    server = ServerProxy(tmp_path, {}, arguments=["--config", str(file)], fresh=True)
    assert server.wait(30) == 2
    for key in ("channels.cam.source", "channels.cam.stripes", "channels.cam.colour", "log_level"):
        assert key in server.text()
    server.check_log()


def test_garbage_on_any_port_ends_that_link_and_nothing_else(tmp_path: Path) -> None:
    """Overlay, RTSP and HTTP ports of both daemons, while a player watches every packet."""
    with GstSource(tmp_path) as source, Fleet(tmp_path, source.url, 3) as fleet:
        recorder = FfmpegRecorder(fleet.clients[2].url(CHANNEL), tmp_path, 8, "tcp")
        source.expect_sent(50)
        ports = [fleet.server.overlay, fleet.server.http]
        for client in fleet.clients:
            ports += [client.overlay, client.http, client.port("rtsp")]
        for port in ports:
            for text in GARBAGE:
                _throw(port, text)
        compare(source.sent, recorder.result().path, least=150).check()
        fleet.assert_nothing_lost()
        assert all(daemon.ready() for daemon in fleet.daemons)


def _throw(address: str, text: bytes) -> None:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as link:
        link.settimeout(1)
        try:
            link.sendall(text)
            link.shutdown(socket.SHUT_WR)
            while link.recv(65_536):
                pass
        except OSError:
            pass  # it may close before it has read everything, or keep an HTTP link for a while


def test_one_camera_that_is_down_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    """/readyz says yes with one source of two; the API tells which is down, and why."""
    channels = {CHANNEL: "testcard:", "dark": f"rtsp://127.0.0.1:{free_port()}/live"}
    server = ServerProxy(tmp_path, channels)
    server.wait_ready()
    listed = server.api("channels")["channels"]
    assert isinstance(listed, list)
    states = {one["name"]: one["source_up"] for one in listed if isinstance(one, dict)}
    assert states == {CHANNEL: True, "dark": False}
    server.stop()

"""`--pcap` of both daemons, as an operator has it, read by tcpdump."""

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from common.rtp import is_rtcp
from tests.support.capture import Capture, capture, compare_captures
from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.fleet import CHANNEL
from tests.support.installed import skip_unless_installed
from tests.support.pcap_readers import Datagram, read
from tests.support.processes import wait_until
from tests.support.sources import GstSource

pytestmark = pytest.mark.e2e

SOURCE, PLAYERS = "10.99.255.1", "10.99.255.2"
VIDEO, SOUND = 50_000, 50_002


def rtp(packets: Sequence[Datagram]) -> Capture:
    """Return the packets as if a player had taken them."""
    taken = Capture()
    for one in packets:
        kind = "video" if one.port < SOUND else "audio"
        assert is_rtcp(one.payload) == one.port % 2
        taken.take(kind, bool(one.port % 2), one.payload)
    return taken


def test_a_capture_has_what_the_source_sent(tmp_path: Path) -> None:
    """Of all tracks; the daemons still run while their files are read."""
    skip_unless_installed("tcpdump")
    of_server, of_node = tmp_path / "server.pcap", tmp_path / "node.pcap"
    with GstSource(tmp_path) as source:
        server = ServerProxy(tmp_path, {CHANNEL: source.url}, arguments=["--pcap", str(of_server)])
        client = ClientProxy(
            tmp_path, server.overlay, join=[CHANNEL], arguments=["--pcap", str(of_node)]
        )
        client.wait_ready()
        direct = capture(source.url, 2)
        came = [one for one in read(of_server) if one.sender == SOURCE and one.port >= VIDEO]
        delivered = [one for one in read(of_node) if one.receiver == PLAYERS and one.port >= VIDEO]
        client.stop()
        server.stop()
    compare_captures(direct, rtp(came), least=25).check()
    assert {VIDEO, SOUND} <= {one.port for one in came}
    first = next(at for at, one in enumerate(came) if one.number == delivered[0].number)
    both = list(zip(came[first:], delivered, strict=False))
    assert len(both) > 50
    assert all(one.payload == other.payload for one, other in both)


def test_a_disk_that_is_full_ends_the_capture_and_nothing_else(tmp_path: Path) -> None:
    """One line says so; a reload begins anew and keeps what was written."""
    skip_unless_installed("prlimit")
    file, config = tmp_path / "cam.pcap", tmp_path / "server.yaml"
    config.write_text(f"pcap: {file}\n")
    server = ServerProxy(
        tmp_path,
        {CHANNEL: "testcard:"},
        arguments=["--config", str(config)],
        wrap=lambda argv: ["prlimit", "--fsize=100000", *argv],
    )
    server.wait_listening()
    server.expect(r'"error".*cannot be written: File too large; the capture has ended', 60)
    written = file.read_bytes()
    assert 0 < len(written) <= 100_000
    before = server.metrics().total("stripecast_source_packets_total")
    server.wait_metric("stripecast_source_packets_total", before + 20)
    assert file.read_bytes() == written
    server.send(signal.SIGHUP)
    server.expect("captures to", 10)
    kept = Path(f"{file}.1")
    wait_until(lambda: kept.exists() and file.exists(), 10, "the capture begins anew")
    assert kept.read_bytes() == written
    server.stop()

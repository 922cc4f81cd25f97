"""A hundred client proxies are asked for the channel within one second (Z22, Z30, S1, S30)."""

import random
from pathlib import Path

import pytest

from tests.support.capture import Capture
from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.fleet import CHANNEL, FULL
from tests.support.sources import GstOptions, GstSource
from tests.support.stalls import Seat, Viewers, percentile

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

NODES = 100
WITHIN = 1.0
FIRST_PACKET = 1.5
"""Seconds from a player's connection to its first packet: 95 of 100, on a quiet machine."""
BUSY = 20
"""By so much more in `make test`, beside who knows what; nobody is refused before."""
DEPTH = 9
"""ceil(log2(100 / 2)) + 2, and one that the next improving move takes away."""


def _first(capture: Capture) -> float:
    return min(packets[0].at for packets in capture.rtp.values())


def _depths(server: ServerProxy) -> list[int]:
    trees = server.api(f"channels/{CHANNEL}")["trees"]
    assert isinstance(trees, list)
    return [int(str(tree["depth"])) for tree in trees if isinstance(tree, dict)]


def test_a_hundred_players_come_within_a_second(tmp_path: Path) -> None:
    """One player at each of a hundred client proxies, all started before: all are served."""
    chance = random.Random(5)
    with GstSource(tmp_path, GstOptions(video="tiny")) as source:
        server = ServerProxy(tmp_path, {CHANNEL: source.url})
        server.wait_ready()
        patient = tmp_path / "patient.yaml"
        patient.write_text("join_timeout: 30\n")
        config = ["--config", str(patient)]
        clients = [ClientProxy(tmp_path, server.overlay, arguments=config) for _ in range(NODES)]
        for client in clients:
            client.wait_listening()
        seats = [
            Seat(client.url(CHANNEL), "tcp", after=chance.uniform(0, WITHIN)) for client in clients
        ]
        viewers = Viewers(tmp_path, seats)
        viewers.wait_playing()
        source.expect_sent(20)
        captures = viewers.stop()
        firsts = [_first(capture) for capture in captures]
        shares = [percentile(firsts, share) for share in (0.5, 0.95, 1.0)]
        print("first packet after {:.2f} s, p95 {:.2f} s, longest {:.2f} s".format(*shares))
        assert [capture.closed for capture in captures] == [None] * NODES
        assert not any(capture.gaps(kind) for capture in captures for kind in capture.rtp)
        depths = _depths(server)
        print("depths", depths)
        assert max(depths) <= DEPTH
        lost = [client.metrics().total("stripecast_packets_lost_total") for client in clients]
        assert lost == [0.0] * NODES
        for client in clients:
            client.kill()
        server.stop()
        assert percentile(firsts, 0.95) <= FIRST_PACKET * (1 if FULL else BUSY), shares

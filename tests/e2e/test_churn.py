"""A hundred real nodes: every second one is killed and one joins (Z11, Z30, Z31, S16, S29).

The same for ten minutes, on a virtual clock, is `tests/sim`.
"""

import random
import time
from pathlib import Path

import pytest

from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.fleet import CHANNEL, long
from tests.support.processes import wait_until
from tests.support.sources import GstOptions, GstSource
from tests.support.stalls import Seat, Viewers

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

NODES = 100
WATCHED = 10
"""These have a player and are never killed."""
SECONDS = int(long(8, 120))
DELIVERED = 0.999
DEPTH = 8 + 2
"""ceil(log2(100 / 2)) + 2, and 2 more: the most soon after the churn; in the simulator, where
no other work delays the moves, at any time."""
ORPHANED, LOWERED = long(50.0, 5.0), 30.0
"""Seconds; on a quiet machine the first is 5."""


def _joined(folder: Path, server: ServerProxy, count: int) -> list[ClientProxy]:
    clients = [ClientProxy(folder, server.overlay, join=[CHANNEL]) for _ in range(count)]
    for client in clients:
        client.wait_ready()
    return clients


def _depth(server: ServerProxy) -> int:
    trees = server.api(f"channels/{CHANNEL}")["trees"]
    assert isinstance(trees, list)
    return max(int(str(tree["depth"])) for tree in trees if isinstance(tree, dict))


def test_one_dies_and_one_joins_each_second(tmp_path: Path) -> None:
    """Any node but the ten with players dies by SIGKILL; delivery is 99.9 %, depth is bounded."""
    chance = random.Random(11)
    with GstSource(tmp_path, GstOptions(video="tiny")) as source:
        server = ServerProxy(tmp_path, {CHANNEL: source.url})
        server.wait_ready()
        clients = _joined(tmp_path, server, NODES)
        watched = chance.sample(clients, WATCHED)
        viewers = Viewers(tmp_path, [Seat(client.url(CHANNEL), "tcp") for client in watched])
        viewers.wait_playing()
        depths: list[int] = []
        began = time.monotonic()
        for second in range(SECONDS):
            victim = chance.choice([client for client in clients if client not in watched])
            clients.remove(victim)
            victim.kill()
            clients += _joined(tmp_path, server, 1)
            depths.append(_depth(server))
            time.sleep(max(0.0, began + second + 1 - time.monotonic()))
        wait_until(lambda: all(client.ready() for client in clients), ORPHANED, "no orphan is left")
        wait_until(lambda: _depth(server) <= DEPTH, LOWERED, "the trees are low again", 0.2)
        captures = viewers.stop()
        scrapes = [client.metrics() for client in clients]
        lost = sum(one.total("stripecast_packets_lost_total") for one in scrapes)
        delivered = sum(one.total("stripecast_packets_delivered_total") for one in scrapes)
        gaps = sum(one.gaps(kind)["lost"] for one in captures for kind in one.rtp)
        got = sum(len(packets) for one in captures for packets in one.rtp.values())
        print(
            f"{SECONDS} kills: delivered {delivered / (delivered + lost):.6f}, {lost:.0f} lost of "
            f"{delivered:.0f}; players lack {gaps} of {got}; deepest tree second by second {depths}"
        )
        for client in clients:
            client.kill()
        server.stop()
        assert [capture.closed for capture in captures] == [None] * WATCHED
        assert delivered / (delivered + lost) >= DELIVERED
        assert got / (got + gaps) >= DELIVERED

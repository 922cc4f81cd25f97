"""The simulator itself: the daemons' own code on a virtual clock does as on real hosts."""

import os
import subprocess
import sys

import pytest

from bench.sim.network import Weather
from bench.sim.world import Setting, World
from clientproxy.net.stripes import Stripes


def grown(setting: Setting, nodes: int) -> World:
    """Return a world in which so many nodes have joined, one each 200 ms."""
    world = World(setting)
    world.run(0.5)
    for _ in range(nodes):
        world.join()
        world.run(0.2)
    world.run(3.0)
    return world


@pytest.mark.parametrize("quiet", [False, True])
def test_a_killed_relay_costs_nobody_a_packet(quiet: bool) -> None:
    world = grown(Setting(seed=3, quiet=quiet), 12)
    for name in ("c1", "c2", "c5"):
        world.kill(name)
        world.run(5.0)
    results = world.finish()
    assert [one.lost for one in results.records] == [0] * 12
    assert all(one.delivered > 40 for one in results.records if one.gone_at is None)


def test_a_leaving_relay_costs_nobody_a_packet() -> None:
    world = grown(Setting(seed=4), 8)
    for name in ("c1", "c4"):
        world.leave(name)
        world.run(3.0)
    results = world.finish()
    assert [one.lost for one in results.records] == [0] * 8


def test_nodes_that_are_still_send_no_heartbeats_and_know_all_that_these_would_say() -> None:
    world = grown(Setting(seed=3, quiet=True), 12)
    world.run(3.0)
    before = [one.downlink.stats.heartbeat_bytes for one in placed(world)]
    links = [stripes.uplink.links.attached() for stripes in placed(world)]
    world.run(20.0)
    assert [one.downlink.stats.heartbeat_bytes for one in placed(world)] == before
    assert [stripes.uplink.links.attached() for stripes in placed(world)] == links
    for stripes in placed(world):
        for link in stripes.uplink.links.attached():
            assert link.lag.is_known(world.now)
            assert link.lag.seconds < 0.1


def test_packets_are_read_once_for_all_nodes() -> None:
    world = grown(Setting(seed=3, quiet=True), 12)
    newest = [client.node.feed.add_viewer(client.meter)[-1] for client in world.clients.values()]
    assert len({id(packet) for packet in newest}) <= 2, "one may be on its way"


def placed(world: World) -> list[Stripes]:
    """Return the stripes of all nodes."""
    return [one.node.stripes for one in world.clients.values() if one.node.stripes is not None]


SCRIPT = """
from bench.sim.network import Weather
from bench.sim.world import Setting, World
world = World(Setting(seed=5, quiet=True, weather=Weather(loss=0.01, jitter=0.01)))
world.run(0.5)
for _ in range(30):
    world.join()
    world.run(0.1)
for _ in range(5):
    world.kill(world.loop.rng.choice(sorted(world.clients)))
    world.run(1.0)
print(world.picture(), world.finish())
"""


def test_the_same_seed_gives_the_same_run_in_another_process() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert "serves 0" in said[0]


def test_a_slow_uplink_makes_packets_late() -> None:
    world = grown(Setting(seed=6, weather=Weather(delay=(0.01, 0.01), jitter=0.0)), 1)
    assert 0.01 <= world.clients["c1"].node.feed.stats.delay < 0.012
    world.host("root").rate = 1_000.0
    world.run(3.0)
    assert world.clients["c1"].node.feed.stats.delay > 0.1

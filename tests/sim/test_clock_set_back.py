"""The server proxy is started again with a clock that was set back, while newcomers wait."""

import pytest

from bench.sim import daemons
from bench.sim.daemons import Source
from bench.sim.world import Setting, World

HOUR_US = 3_600_000_000


@pytest.mark.parametrize("seed", [1, 3])
def test_newcomers_find_parents_though_numbers_go_on_above_what_they_were_offered(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are there before the first of the old nodes brings the numbers of the old process."""
    source = Source(packets_per_second=25.0, keyframe_every=50)
    world = World(Setting(seed=seed, server={"join": "redirect"}, source=source))
    world.run(0.5)
    for _ in range(8):
        world.join()
        world.run(0.2)
    world.run(5.0)
    world.kill_server()
    world.run(1.0)
    for _ in range(3):
        world.join()
    world.run(1.5)
    monkeypatch.setattr(daemons, "EPOCH_US", daemons.EPOCH_US - HOUR_US)
    world.start_server()
    world.run(20.0)
    for client in world.clients.values():
        assert None not in client.parents()
        assert client.node.feed.delivered_at > world.now - 1.0
        assert client.node.feed.lost == 0

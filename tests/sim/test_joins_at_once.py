"""Nodes that join within the same moment, below each other, a stream of few packets."""

import pytest

from bench.sim.daemons import Source
from bench.sim.world import Setting, World


@pytest.mark.parametrize(("rate", "seed"), [(8, 8), (47, 26), (47, 45), (47, 56)])
def test_none_waits_for_what_its_parent_never_had(rate: float, seed: int) -> None:
    """A parent that has joined after its child has begun later, with nothing in its log yet."""
    source = Source(packets_per_second=rate, keyframe_every=1)
    world = World(Setting(seed=seed, source=source))
    world.run(2.0)
    names = []
    for _ in range(8):
        names.append(world.join())
        world.run(0.05 if rate == 8 else 0.03)
    world.run(10.0)
    assert {name: world.clients[name].node.feed.lost for name in names} == dict.fromkeys(names, 0)

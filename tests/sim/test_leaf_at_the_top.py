"""A child of the server proxy that feeds nobody: only its own way there is cut."""

import pytest

from bench.sim.world import Setting, World
from common.ids import ROOT


@pytest.mark.parametrize("seed", [1, 2])
def test_it_hangs_under_who_feeds_it_in_another_stripe_and_lacks_nothing(seed: int) -> None:
    """It can ask nobody above, and nobody below passes it by."""
    world = World(Setting(seed=seed))
    world.run(0.5)
    for slots in ("auto", 0) * 8:
        world.join(max_children=slots)
        world.run(0.3)
    world.run(3.0)
    name, stripe = leaf_at_the_top(world)
    root, host, leaf = world.host("root"), world.host(name), world.clients[name]
    lost = leaf.node.feed.lost
    world.network.cut(root, host)
    world.network.cut(host, root)
    world.run(8.0)
    assert leaf.parent(stripe) not in (None, ROOT)
    world.network.mend(root, host)
    world.network.mend(host, root)
    world.run(12.0)
    assert leaf.node.joined
    assert leaf.node.feed.lost == lost


def leaf_at_the_top(world: World) -> tuple[str, int]:
    """Let nodes go and come until a leaf hangs there that has a parent elsewhere; return it."""
    for _ in range(60):
        for name, client in world.clients.items():
            for stripe, parent in enumerate(client.parents()):
                elsewhere = client.parents()[1 - stripe] not in (None, ROOT)
                if parent == ROOT and elsewhere and not client.children(stripe):
                    return name, stripe
        world.kill(world.loop.rng.choice(sorted(world.clients)))
        world.join(max_children=world.loop.rng.choice((0, "auto")))
        world.run(1.0)
    raise AssertionError("no leaf at the server proxy")

"""The server proxy is killed and started again, and a newcomer is there before the old nodes."""

import pytest

from bench.sim.world import Setting, World
from common.ids import Stripe

S0 = Stripe(0)


def keys(world: World) -> set[str]:
    """Return the group keys that nodes show."""
    stripes = [client.node.stripes for client in world.clients.values()]
    return {one.offer.group_key for one in stripes if one is not None}


def test_nobody_loses_a_packet_or_its_control_link_because_old_nodes_have_another_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The newcomer's key goes on; later a relay dies, and whoever is asked knows the orphans."""
    world = World(Setting(seed=12))
    for _ in range(8):
        world.join()
        world.run(0.3)
    world.run(10.0)
    (before,) = keys(world)
    world.kill_server()
    world.run(4.0)
    caplog.clear()
    world.start_server()
    newcomer = world.join()
    world.run(0.3)
    assert before in keys(world), "some old nodes are not back yet"
    stripes = world.clients[newcomer].node.stripes
    assert stripes is not None
    own = stripes.offer.group_key
    assert own != before
    world.run(20.0)
    assert keys(world) == {own}
    assert "control link to" not in caplog.text, "nobody's is made anew"
    relays = [c for c in world.clients.values() if c.node.stripes and c.node.stripes.feeds(S0)]
    world.kill(relays[0].name)
    world.run(10.0)
    assert all(client.node.joined for client in world.clients.values())
    assert {client.node.feed.lost for client in world.clients.values()} == {0}

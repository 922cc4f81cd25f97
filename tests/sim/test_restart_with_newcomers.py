"""The server proxy dies and comes back while nodes wait that have never joined."""

import pytest

from bench.sim.daemons import Source
from bench.sim.world import Setting, World

OLD = 8
NEW = 4


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_who_was_there_before_loses_nothing_and_waits_for_nobody(seed: int) -> None:
    """Newcomers are there first: the old nodes come under them, and find the mark there too."""
    source = Source(packets_per_second=25.0, keyframe_every=50)
    world = World(Setting(seed=seed, source=source))
    world.run(0.5)
    for _ in range(OLD):
        world.join()
        world.run(0.2)
    world.run(5.0)
    world.kill_server()
    world.run(1.5)
    for _ in range(NEW):
        world.join()
    world.run(1.5)
    world.start_server()
    restarted = world.now
    world.run(2.0)  # who lacks a parent is back within one second
    old = [client.node.feed for client in world.clients.values()][:OLD]
    assert all(feed.delivered_at > restarted for feed in old)
    world.run(6.0)
    feeds = [client.node.feed for client in world.clients.values()]
    assert [feed.lost for feed in feeds] == [0] * (OLD + NEW)
    assert [feed.late for feed in feeds] == [0] * (OLD + NEW), (
        "what is only for the log is not late"
    )

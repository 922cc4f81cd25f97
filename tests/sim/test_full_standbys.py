"""The standby has no slot left, and nobody to send to: that costs a few round trips, no packet."""

from bench.sim.world import Setting, World

ROUND_TRIPS = 0.3
"""Seconds: the server proxy is asked, then whom it names; a round trip takes 40 ms here."""


def test_siblings_that_find_the_server_proxy_full_hang_elsewhere_soon() -> None:
    """Four nodes: who feeds the others dies, and leaves take both places at the server proxy."""
    recoveries, lost, full = list[float](), 0, 0
    for seed in range(6):
        world = World(Setting(seed=seed))
        world.run(0.5)
        for _ in range(4):
            world.join()
            world.run(0.3)
        world.run(4.0)
        for _ in range(2):
            world.kill(most_children(world))
            world.run(3.0)
            world.join()
            world.run(3.0)
        results = world.finish()
        recoveries += results.recoveries
        lost += sum(one.lost for one in results.records)
        assert world.server is not None
        full += world.server.channel.feed.downlink.stats.refused.get("full", 0)
    assert full >= 2
    assert lost == 0
    assert max(recoveries) < ROUND_TRIPS


def most_children(world: World) -> str:
    """Return who feeds most links."""
    return max(
        world.clients,
        key=lambda name: sum(
            len(world.clients[name].children(s)) for s in world.clients[name].stripes
        ),
    )

"""A node whose machine sleeps while millions of packets pass."""

from bench.sim.world import Setting, World

HOURS = 5_000_000
"""Packets that a source of 500 a second sends in 2.8 hours."""


def test_it_goes_on_with_the_stream_as_it_is_then() -> None:
    world = World(Setting(seed=1))
    world.run(0.5)
    names = [world.join() for _ in range(4)]
    world.run(5.0)
    sleeper = world.clients[names[1]]
    assert sleeper.node.joined
    host = world.host(names[1])
    world.network.stop(host)
    world.run(60.0)
    assert world.server is not None
    world.server.channel.feed.numbering.next += HOURS
    world.run(20.0)
    world.network.go_on(host)
    world.run(30.0)
    assert sleeper.node.joined
    head = sleeper.node.feed.head
    world.run(10.0)
    assert sleeper.node.feed.head > head

"""What is measured of a run is measured when it happens."""

from bench.sim.survey import LOOK_CLOSER_FOR
from bench.sim.world import Setting, World


def test_another_parent_is_seen_when_it_is_there_and_not_at_the_next_look() -> None:
    """Most have a standby: a round trip, 40 to 80 ms here. A look comes once a second."""
    world = World(Setting(seed=3))
    world.run(0.5)
    for _ in range(12):
        world.join()
        world.run(0.3)
    world.run(5.0)
    looked = world.survey.moves
    parents = {client.parent(stripe) for client in world.clients.values() for stripe in (0, 1)}
    for name in [name for name, client in world.clients.items() if client.id in parents][:3]:
        world.run(0.01)  # just after a look: the next one is far away
        world.kill(name)
        world.run(3.0 - 0.01)
    world.run(8.0)  # those who look for another standby again after a while have one by then
    recoveries = world.finish().recoveries
    assert world.survey.moves - looked >= len(recoveries) >= 3
    assert sorted(recoveries)[len(recoveries) // 2] < 0.1
    assert not world.loop.after, f"watched for longer than {LOOK_CLOSER_FOR} s"

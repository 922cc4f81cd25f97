"""Whole overlays, simulated: churn, failures at one moment, crowds (Z34, S2, S33, S41).

Short here; as the issue has them with STRIPECAST_FULL.
"""

from pathlib import Path

import pytest

from bench import overlay
from bench.sim.joins import full_tree, measure
from bench.sim.network import Weather
from bench.sim.runs import Plan, Summary, carry_out, summary
from bench.sim.world import Setting, World
from common.ids import ROOT
from serverproxy.core.graph import depth_bound
from tests.support.fleet import long


def shown(plan: Plan) -> Summary:
    world = carry_out(plan)
    return summary(plan, world, world.finish())


def test_one_node_killed_and_one_joining_each_second_cost_nothing() -> None:
    """100 nodes in full; 97 % and 99.9 % are the best delivery published."""
    plan = Plan(nodes=int(long(60, 100)), seconds=long(20.0, 600.0), seed=7)
    world = carry_out(plan)
    results = world.finish()
    found = summary(plan, world, results)
    assert found.delivery >= 0.999
    assert found.oldest_orphan < 5.0
    assert found.unplaced == 0
    heights = [max(look.heights) for look in results.looks if look.heights]
    assert max(heights) <= found.height_bound + 2


def test_churn_over_links_that_lose_and_jitter() -> None:
    """Heartbeats are sent one by one here, and are lost like all else."""
    weather = Weather(delay=(0.02, 0.08), jitter=0.005, loss=0.01)
    seconds = long(20.0, 180.0)
    found = shown(
        Plan(nodes=40, seconds=seconds, seed=8, churn=0.2, weather=weather, heartbeats=True)
    )
    assert found.delivery >= 0.999
    assert found.oldest_orphan < 5.0


@pytest.mark.parametrize("seed", range(1, int(long(4, 21))))
def test_a_third_of_the_nodes_at_once(seed: int) -> None:
    found = shown(Plan(nodes=60, seconds=30.0, churn=0.0, correlated=0.3, seed=seed))
    assert found.delivery >= 0.999
    assert found.oldest_orphan < 5.0
    assert found.unplaced == 0
    assert not found.still_moving


def test_a_flash_crowd_is_served() -> None:
    nodes = int(long(80, 1000))
    plan = Plan(nodes=nodes, seconds=10.0, joins_per_second=float(nodes), churn=0.0, seed=9)
    found = shown(plan)
    assert found.unplaced == 0
    assert found.lost == 0
    assert found.first_p95 <= 1.5


def test_as_many_joins_as_spreadit_had() -> None:
    """Fan-out 3 and height 10 are 88,573 nodes; the server proxy adds a level."""
    height = int(long(6, 10))
    nodes = full_tree(3, height)
    done = measure(nodes, stripes=1, slots=3)
    assert (done.nodes, done.refused, done.heights) == (nodes, 0, (height + 1,))


def test_only_the_children_of_a_broken_link_act() -> None:
    """A frozen node high up in a tall tree: everybody below it starves, its children alone move."""
    world = World(Setting(seed=10, quiet=True, server={"stripes": 1}))
    world.run(0.5)
    nodes = int(long(130, 300))
    for at in range(nodes):
        world.at(at / 40, world.join)
    world.run(nodes / 40 + 4.0)
    way = max((path(world, name) for name in world.clients), key=len)
    assert len(way) >= 8
    frozen = world.clients[way[-2]]
    children = set(world.names_of(frozen.children(0)))
    world.stop(frozen.name)
    world.run(2.0)
    acted = {
        client.name
        for client in world.clients.values()
        if client is not frozen and client.node.stripes is not None and client.node.stripes.rejoins
    }
    assert acted == children
    world.clients.pop(frozen.name)
    assert [one.name for one in world.finish().records if one.lost] == []


def path(world: World, name: str) -> list[str]:
    """Return the way up from a node in stripe 0, the server proxy left out."""
    way = [name]
    while (above := world.clients[way[-1]].parent(0)) not in (None, ROOT):
        assert above is not None
        way.append(world.names_of([above])[0])
    return way


def test_the_command_writes_the_same_figures_for_the_same_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(nodes=8, seconds=6.0, seed=11)
    texts = []
    for name in ("a.csv", "b.csv"):
        overlay.run(plan, tmp_path / name)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    head, row, *rest = texts[0].splitlines()
    values = dict(zip(head.split(","), row.split(","), strict=True))
    assert rest == []
    assert values["nodes"] == "8"
    assert values["height_bound"] == str(depth_bound(8))
    assert "delivery" in capsys.readouterr().out

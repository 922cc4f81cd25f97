"""Everybody has a number that its user gave (Z27): nobody passes it, and trees stay low.

The real decisions of all sides (`overlay_model`), and the trees with the membership alone.
"""

import pytest

from bench.sim.joins import measure
from common.children import Children
from serverproxy.core.graph import depth_bound
from tests.support.overlay_model import STRIPES, Model

SLOTS = 2


@pytest.mark.parametrize("nodes", [7, 60])
def test_with_two_hard_slots_each_the_trees_do_not_become_chains(nodes: int) -> None:
    """A newcomer takes a leaf's place, which is told to go first."""
    model = Model()
    for _ in range(nodes):
        model.join(SLOTS)
        model.wait(0.3)
        assert all(_children(one.children) <= SLOTS for one in model.nodes.values())
    model.wait(5)
    assert not model.refused
    assert not model.homeless()
    assert max(_height(model)) <= depth_bound(nodes)
    model.trees.check()


def test_five_hundred_joins_make_low_trees() -> None:
    """Membership and trees alone: it was a height of several hundred."""
    done = measure(500, stripes=2, slots=SLOTS)
    assert (done.nodes, done.refused) == (500, 0)
    assert max(done.heights) <= depth_bound(500)


@pytest.mark.parametrize("slots", [(0, 3), (0, 2, 2, 2), (0, 3, 1, 3), (0, 1, 3, 3)])
def test_a_node_without_slots_keeps_nobody_out_where_none_is_kept_for_repair(
    slots: tuple[int, ...],
) -> None:
    """Parents are told whose place is meant, if the newcomer serves the other stripe."""
    model = Model(repair_slots=0)
    for one in slots:
        model.join(one)
        model.wait(3)
    model.wait(10)
    took_part = [model.membership.members[name].max_children for name in model.nodes]
    assert [one for one in slots if one >= len(STRIPES)] == [
        one for one in took_part if one is not None and one >= len(STRIPES)
    ]
    assert not model.homeless()
    model.trees.check()


def _children(children: Children) -> int:
    return sum(len(children.of(stripe)) for stripe in STRIPES)


def _height(model: Model) -> list[int]:
    return [max(len(model.path(name, s)) - 1 for name in model.nodes) for s in STRIPES]

"""Nodes high up die, one after the other: real decisions of all sides fill their places (Z34)."""

from random import Random

import pytest

from common.ids import ROOT
from serverproxy.core import members
from serverproxy.core.graph import depth_bound
from tests.support.overlay_model import STRIPES, Model

NODES = 40
KILLS = 8
WITHIN = 2.5
"""Seconds: two looks of the server proxy at what the trees owe, and what they bring."""


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_death_high_up_the_trees_are_low_within_seconds(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Two slots each, which nobody's user has set: hardly any is free."""
    monkeypatch.setattr(members, "AUTO_SLOTS_PER_STRIPE", 1.0)
    model, chance = Model(), Random(seed)
    for _ in range(NODES):
        model.join(None)
        model.wait(0.05)
    for _ in range(KILLS):
        model.wait(WITHIN)
        assert not model.homeless()
        assert max(heights(model)) <= depth_bound(len(model.nodes)) + 1
        stripe = chance.choice(STRIPES)
        high = [
            name
            for name, node in model.nodes.items()
            if len(model.path(name, stripe)) <= 4 and len(node.children.of(stripe)) > 1
        ]
        model.die(chance.choice(high))
        model.join(None)


def heights(model: Model) -> list[int]:
    paths = [[model.path(name, stripe) for name in model.nodes] for stripe in STRIPES]
    return [max(len(path) - 1 for path in each if path[-1] == ROOT) for each in paths]

"""`join: redirect`: whatever tree, whoever dies, every node ends under a parent or is refused soon.

No two policies run in a circle, and nobody oscillates (S9 to S27).
"""

from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.fields import MAX_REDIRECTS, AddPolicyName, DeletePolicyName
from tests.support.redirect_model import ModelNode, RedirectModel

ADD: tuple[AddPolicyName, ...] = get_args(AddPolicyName)
DELETE: tuple[DeletePolicyName, ...] = get_args(DeletePolicyName)
PROMPT = 1.0
"""Seconds after which every node hangs again when one has died."""
ONE_WALK = MAX_REDIRECTS + 1
JOIN_TIMEOUT = 4.0


def attached(model: RedirectModel, node: ModelNode, within: float = PROMPT) -> bool:
    """Let time pass until a newcomer has its parents."""
    until = model.now + within
    while not node.search.attached and model.now < until:
        model.wait(0.1)
    return node.search.attached


def healed(model: RedirectModel, within: float = PROMPT) -> bool:
    until = model.now + within
    while model.homeless() and model.now < until:
        model.wait(0.1)
    return not model.homeless()


@pytest.mark.parametrize("add", ADD)
def test_five_hundred_newcomers_with_one_to_four_slots_each_find_a_parent(
    add: AddPolicyName,
) -> None:
    """One walk is enough for almost all; who fell into a dead end needs one more."""
    model = RedirectModel(add, seed=1)
    for _ in range(500):
        node = model.join(model.random.randint(1, 4))
        assert attached(model, node)
        assert node.asked <= 2 * ONE_WALK
    model.check()
    assert model.homeless() == []
    # Nobody is moved any more: places are taken by newcomers only.
    parents = {name: node.search.parent(model.stripes[0]) for name, node in model.nodes.items()}
    model.wait(10.0)
    assert parents == {n: node.search.parent(model.stripes[0]) for n, node in model.nodes.items()}
    # Each joined once; those whose place was taken walked again, one level at a time.
    assert sum(node.asked for node in model.nodes.values()) < 500 * ONE_WALK


@pytest.mark.parametrize("add", ADD)
def test_with_two_stripes_newcomers_find_both_parents(add: AddPolicyName) -> None:
    model = RedirectModel(add, stripes=2, seed=2)
    for _ in range(150):
        assert attached(model, model.join(None))
    model.check()
    model.wait(12.0)
    assert model.homeless() == []
    model.trees.check()


def test_a_chain_that_is_longer_than_the_redirects_allow_is_joined_by_the_directory() -> None:
    model = RedirectModel("round_robin")
    for _ in range(3 * MAX_REDIRECTS):
        node = model.join(1)
        assert attached(model, node)
        assert node.asked <= ONE_WALK + 1
    assert model.depth() == 3 * MAX_REDIRECTS


@pytest.mark.parametrize("add", ADD)
def test_who_finds_no_slot_knows_it_before_its_player_gives_up(add: AddPolicyName) -> None:
    """The tree is full of nodes that pass nothing on."""
    model = RedirectModel(add, repair_slots=0)
    assert attached(model, model.join(2))
    for _ in range(2):
        assert attached(model, model.join(0))
    late = model.join(0)
    assert not attached(model, late, JOIN_TIMEOUT)
    why = late.search.why_not()
    assert why is not None
    assert "full" in why
    assert late.asked <= JOIN_TIMEOUT * ONE_WALK


@pytest.mark.parametrize(("add", "delete"), list(product(ADD, DELETE)))
def test_orphans_find_a_parent_within_a_second(
    add: AddPolicyName, delete: DeletePolicyName
) -> None:
    for stripes in (1, 2):
        model = RedirectModel(add, delete, stripes=stripes, seed=3)
        for _ in range(40):
            assert attached(model, model.join(None))
        for _ in range(15):
            model.die(model.random.choice(list(model.nodes)))
            assert healed(model), f"{model.homeless()} after {PROMPT} s"
            assert attached(model, model.join(None))
        model.wait(15.0)
        model.check()
        assert model.homeless() == []


def test_only_with_an_all_policy_all_descendants_look_for_a_parent() -> None:
    asked: dict[DeletePolicyName, int] = {}
    for delete in DELETE:
        model = RedirectModel("round_robin", delete, seed=4)
        for _ in range(30):
            model.join(2)
        before = {name: node.asked for name, node in model.nodes.items()}
        model.die(next(iter(model.nodes)))
        model.wait(2.0)
        assert model.homeless() == []
        asked[delete] = sum(node.asked > before[name] for name, node in model.nodes.items())
    assert asked == {"root": 2, "root_all": 29, "grandfather": 2, "grandfather_all": 29}


Step = tuple[bool, int, int]
steps = st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(1, 4)), max_size=30)


@given(st.sampled_from(ADD), st.sampled_from(DELETE), st.integers(1, 2), steps, st.integers(0, 99))
def test_whoever_comes_and_dies_the_trees_stay_trees(
    add: AddPolicyName, delete: DeletePolicyName, stripes: int, story: list[Step], seed: int
) -> None:
    model = RedirectModel(add, delete, stripes=stripes, seed=seed)
    for joins, which, slots in story:
        if joins or not model.nodes:
            model.join(slots if stripes == 1 else None)
        else:
            names = list(model.nodes)
            model.die(names[which % len(names)])
        model.check()
    assert healed(model, 5.0), model.homeless()
    model.check()

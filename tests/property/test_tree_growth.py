"""Trees to which nodes only come (Z18, S33)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from common.ids import NodeId, Stripe
from serverproxy.core.remedies import depth_bound
from serverproxy.core.tree import Move, Trees

STRIPES = (Stripe(0), Stripe(1))


def grow(trees: Trees, slots: list[int], picks: list[int]) -> None:
    """Let nodes join one after the other; each splice is done before the next join."""
    for index, number in enumerate(slots):
        node = NodeId(f"n{index}")
        trees.add(node, slots=number, hard_limit=False)
        placements = trees.join(node)
        assert placements is not None
        for stripe, placement in placements.items():
            pick = picks[index % len(picks)] % len(placement.candidates)
            trees.attach(node, stripe, placement.candidates[pick].parent)
        while moves := [one for one in trees.remedies() if isinstance(one, Move)]:
            for move in moves:
                trees.attach(move.node, move.stripe, move.placement.candidates[0].parent)


@settings(max_examples=6, deadline=None)
@given(
    nodes=st.integers(1, 1000),
    slots=st.sampled_from([2, 3]),
    picks=st.lists(st.integers(0, 9), min_size=1, max_size=50),
)
def test_while_nodes_only_join_the_depth_stays_at_the_bound(
    nodes: int, slots: int, picks: list[int]
) -> None:
    """Depth <= ceil(log2(n / 2)) + 2, whichever candidates the nodes choose (S33)."""
    trees = Trees(stripes=2)
    grow(trees, [slots] * nodes, picks)
    trees.check()
    for stripe in STRIPES:
        assert trees.tree_depth(stripe) <= depth_bound(nodes)


@settings(max_examples=25, deadline=None)
@given(nodes=st.integers(1, 60), slots=st.integers(1, 5))
def test_equal_nodes_are_shared_out_between_the_stripes(nodes: int, slots: int) -> None:
    """How many serve each stripe differs by one at most (Z18)."""
    trees = Trees(stripes=2)
    for index in range(nodes):
        trees.add(NodeId(f"n{index}"), slots=slots, hard_limit=False)
    serving = [trees.serves(node) for node in trees.nodes()]
    assert abs(serving.count(STRIPES[0]) - serving.count(STRIPES[1])) <= 1


@settings(max_examples=40, deadline=None)
@given(
    slots=st.lists(st.integers(2, 4), min_size=1, max_size=40),
    hard=st.lists(st.booleans(), min_size=1, max_size=8),
)
def test_a_newcomer_with_a_slot_for_each_stripe_is_never_refused(
    slots: list[int], hard: list[bool]
) -> None:
    """However many join before the first one reports anything."""
    trees = Trees(stripes=2)
    for index, number in enumerate(slots):
        node = NodeId(f"n{index}")
        trees.add(node, slots=number, hard_limit=hard[index % len(hard)])
        assert trees.join(node) is not None
        trees.check()

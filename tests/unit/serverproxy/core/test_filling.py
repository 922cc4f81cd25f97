"""The place of a dead interior node is filled by one from below (Z34; design 5, "Depth")."""

from random import Random

import pytest

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.filling import Filling, Survey
from serverproxy.core.graph import Graph, depth_bound
from serverproxy.core.shelves import Member
from serverproxy.core.tree import Move, Trees

S0, S1 = Stripe(0), Stripe(1)
NODES = 200
MOST_MOVES = 5
"""Moves for one subtree that finds a place: two leaves, who fills it, and both who go under it."""


def grown(slots: int, nodes: int = NODES) -> Trees:
    trees = Trees(stripes=2)
    for index in range(nodes):
        trees.add(node := NodeId(f"n{index}"), slots=slots, hard_limit=False)
        placed = trees.join(node)
        assert placed is not None
        for stripe, placement in placed.items():
            trees.attach(node, stripe, placement.candidates[0].parent)
        while look(trees):
            pass
    return trees


def look(trees: Trees) -> list[Move]:
    """Have done what the trees owe now."""
    moves = [one for one in trees.remedies() if isinstance(one, Move)]
    for move in moves:
        at = move.placement.candidates[0]
        trees.attach(move.node, move.stripe, at.parent)
        if at.chosen and at.displaced is not None:
            trees.attach(at.displaced, move.stripe, move.node)
    return moves


def interior(trees: Trees, depth: int) -> NodeId:
    """Return a node of this depth in stripe 0 with as many children as it has slots."""
    return next(
        one
        for one in trees.nodes()
        if trees.depth(one, S0) == depth and len(trees.children(one, S0)) == trees.slots(one)
    )


def kill(trees: Trees, node: NodeId) -> int:
    """Let a node die and its orphans find places as they do; return how many they are."""
    orphans = trees.remove(node)
    for orphan, stripe in orphans:
        found = trees.place(orphan, stripe)
        assert found is not None
        trees.attach(orphan, stripe, found.candidates[0].parent)
    return len(orphans)


def kill_many(trees: Trees, number: int, chance: Random) -> None:
    """Let random nodes die at once, and their orphans find places one after the other."""
    orphans = list[tuple[NodeId, Stripe]]()
    for node in chance.sample(trees.nodes(), number):
        orphans = [one for one in orphans if one[0] != node] + trees.remove(node)
    chance.shuffle(orphans)
    for orphan, stripe in orphans:
        found = trees.place(orphan, stripe)
        if found is not None:
            trees.attach(orphan, stripe, found.candidates[0].parent)


def depths(trees: Trees) -> list[int]:
    return [trees.tree_depth(S0), trees.tree_depth(S1)]


@pytest.mark.parametrize("slots", [2, 3])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_dead_node_high_up_costs_no_depth(slots: int, depth: int) -> None:
    """Not even before the first look: a tall orphan is one above somebody's slots till then.

    What is moved is in proportion to the dead node's children, whatever hangs below them.
    """
    trees = grown(slots)
    orphans, moves = kill(trees, interior(trees, depth)), 0
    assert max(depths(trees)) <= depth_bound(NODES) + 1
    for _ in range(6):
        moves += len(look(trees))
        assert max(depths(trees)) <= depth_bound(NODES) + 1
    assert not look(trees), "it comes to an end"
    assert moves <= MOST_MOVES * orphans
    assert max(depths(trees)) <= depth_bound(NODES)
    assert all(trees.excess(node) == 0 for node in (ROOT, *trees.nodes()))
    trees.check()


def test_who_fills_a_place_says_in_front_of_whom() -> None:
    """Its new parent has no leaf to hand over: the child whose place it takes is named."""
    trees = grown(2)
    kill(trees, interior(trees, 3))
    named = [
        one.placement.candidates[0]
        for one in (remedy for remedy in trees.remedies() if isinstance(remedy, Move))
        if one.placement.candidates[0].chosen
    ]
    assert named
    for at in named:
        assert at.displaced in trees.children(at.parent, S0)
        again = [one.placement.candidates[0] for one in trees.remedies() if isinstance(one, Move)]
        assert at in again, "it is asked for in the same words until it is reported"


def test_the_way_up_is_walked_only_for_who_can_rise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the deepest nodes few can; the way up is as long as the tree is deep."""
    trees, looked_at, walked = grown(2), list[Member](), list[Member]()

    def cannot(_self: Filling, one: Member, _stripe: Stripe) -> bool:
        looked_at.append(one)
        return False

    def is_below(_self: Graph, member: Member | None, top: Member, stripe: Stripe) -> bool:
        if looked_at and member is looked_at[-1]:
            walked.append(member)
        return hangs(_self, member, top, stripe)

    hangs = Graph.is_below
    kill(trees, interior(trees, 2))
    monkeypatch.setattr(Filling, "_can_rise", cannot)
    monkeypatch.setattr(Graph, "is_below", is_below)
    trees.remedies()
    assert len(looked_at) > 1
    assert walked == []


def test_where_nobody_can_rise_the_tree_is_not_walked_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all have a user's number: it took seconds, with 10,000 nodes."""
    trees, walks = grown(2), walked(monkeypatch)
    kill(trees, interior(trees, 2))
    monkeypatch.setattr(Filling, "_can_rise", lambda *_: False)
    trees.remedies()
    assert walks == []


def test_a_tree_is_walked_over_again_only_after_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    trees, walks = grown(2), walked(monkeypatch)
    kill(trees, interior(trees, 2))
    trees.remedies()
    filling = walks[-1]
    filling.begin()
    filling.survey(S0)
    before = len(walks)
    filling.begin()
    filling.survey(S0)
    assert len(walks) == before
    trees.suspect(trees.nodes()[0], suspected=True)
    filling.begin()
    filling.survey(S0)
    assert len(walks) == before + 1


@pytest.mark.parametrize("seed", [0, 1])
def test_a_look_walks_over_each_tree_once(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Whatever is planned in it; nobody is sent twice, or to where others have been sent since.

    With 3,000 nodes, 30 % of them dead, it was 160 walks and 2 s.
    """
    trees, walks, most = grown(2, 150), walked(monkeypatch), 0
    kill_many(trees, 45, Random(seed))
    for _ in range(20):
        before = len(walks)
        planned = [(one.node, one.stripe) for one in trees.remedies() if isinstance(one, Move)]
        most = max(most, len(walks) - before)
        assert len(planned) == len(set(planned))
        trees.check()
        if not look(trees):
            break
    assert 0 < most <= 2
    assert max(depths(trees)) <= depth_bound(len(trees)) + 2


def test_at_each_look_others_are_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one depth that can go up take turns, where more are there than are looked at."""
    trees, walks = grown(2), walked(monkeypatch)
    monkeypatch.setattr("serverproxy.core.filling.LOOKED_AT", 1)
    kill(trees, interior(trees, 2))
    trees.remedies()
    filling, seen = walks[-1], list[Member]()
    for _ in range(20):
        filling.begin()
        survey = filling.survey(S0)
        assert survey is not None
        seen.append(survey.risers[0])
    assert len(set(seen)) > 1


@pytest.mark.parametrize("most", [5, 50])
def test_pairs_are_tried_up_to_a_number(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Of somebody who could go up, and somebody in front of whom: here none of them can."""
    trees, tried = grown(2), list[Member]()

    def make(_self: Filling, one: Member, *_others: Member) -> list[Move]:
        tried.append(one)
        return []

    monkeypatch.setattr("serverproxy.core.filling.MOST_TRIED", most)
    monkeypatch.setattr(Filling, "_make", make)
    kill(trees, interior(trees, 2))
    trees.remedies()
    assert 0 < len(tried) <= 2 * most


def walked(monkeypatch: pytest.MonkeyPatch) -> list[Filling]:
    walks, walk = list[Filling](), Filling.walk

    def count(self: Filling, risers: list[Member], stripe: Stripe) -> Survey:
        walks.append(self)
        return walk(self, risers, stripe)

    monkeypatch.setattr(Filling, "walk", count)
    return walks

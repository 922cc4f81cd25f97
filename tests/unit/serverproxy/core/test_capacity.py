"""Slots follow what children say: up where they are well fed, down where they are behind."""

from common.fields import StripeReport
from common.ids import ROOT, NodeId, Stripe
from common.messages import Report
from serverproxy.core.capacity import (
    BELIEVED_FOR,
    DECAY_AFTER,
    FLAT_LAG,
    LOWER_EVERY,
    MOST_DOUBLINGS,
    RAISE_AFTER,
    RAISE_OVER,
    REST,
    SLOW_LAG,
    Capacity,
)
from serverproxy.core.tree import Trees

S0, S1 = Stripe(0), Stripe(1)
P, Q = NodeId("p"), NodeId("q")
EVERY = 2.0
"""Seconds between two reports."""


class Stage:
    """p serves stripe 0, q stripe 1; so many others are leaves under both of them."""

    def __init__(self, leaves: int, *, slots: int = 3, hard_limit: bool = False) -> None:
        self.trees = Trees(stripes=2)
        self.capacity = Capacity(self.trees, 2)
        self.now = 100.0
        self.behind: dict[tuple[NodeId, Stripe], float] = {}
        self.own_fault: set[NodeId] = set()
        self.changed: list[NodeId] = []
        self.add(P, {S0: ROOT, S1: ROOT}, slots, hard_limit=hard_limit)
        self.add(Q, {S1: ROOT}, slots)
        self.leaves = [self.leaf(f"l{number}") for number in range(leaves)]

    def add(
        self, node: NodeId, parents: dict[Stripe, NodeId], slots: int, *, hard_limit: bool = False
    ) -> None:
        self.capacity.begin(node, slots, hard_limit=hard_limit)
        self.trees.add(node, slots=slots, hard_limit=hard_limit)
        for stripe, parent in parents.items():
            self.trees.attach(node, stripe, parent)

    def leaf(self, name: str) -> NodeId:
        self.add(NodeId(name), {S0: P, S1: Q}, 3)
        return NodeId(name)

    def report(self, node: NodeId) -> list[NodeId]:
        stripes = tuple(
            StripeReport(s, parent, 0.0, 0, 0, 0, (), None, self.behind.get((node, s), 0.0))
            for s in (S0, S1)
            if (parent := self.trees.parent(node, s)) is not None
        )
        report = Report(
            sent_us=0,
            delay=0.0,
            stripes=stripes,
            players=0,
            delivered=0,
            lost=0,
            downlink_slow=node in self.own_fault,
        )
        changed = self.capacity.reported(node, report, self.now)
        self.changed += changed
        return changed

    def rounds(self, count: int) -> None:
        """Let everybody report so often."""
        for _ in range(count):
            self.now += EVERY
            for node in self.trees.nodes():
                self.report(node)

    def leave(self, child: NodeId, parent: NodeId = P) -> list[NodeId]:
        """Let a child leave its parent as slow."""
        self.trees.attach(child, S0, ROOT)
        return self.capacity.left_as_slow(parent, self.now)

    def slots(self, node: NodeId) -> int:
        assert self.capacity.slots(node) == self.trees.slots(node)
        return self.trees.slots(node)


# --- up


def test_a_full_node_whose_children_are_well_fed_gets_one_more() -> None:
    stage = Stage(3)
    stage.rounds(RAISE_AFTER - 1)
    assert stage.slots(P) == 3
    assert stage.changed == []
    stage.rounds(1)
    assert (stage.slots(P), stage.slots(Q)) == (4, 4)
    assert stage.changed == [P, Q]


def test_a_node_with_a_free_slot_gets_none() -> None:
    stage = Stage(2)
    stage.rounds(3 * RAISE_AFTER)
    assert stage.slots(P) == 3


def test_one_child_that_is_a_little_behind_is_enough_not_to() -> None:
    stage = Stage(3)
    stage.behind[stage.leaves[1], S0] = FLAT_LAG + 0.01
    stage.rounds(RAISE_AFTER)
    assert (stage.slots(P), stage.slots(Q)) == (3, 4)


def test_a_node_gets_at_most_twice_what_it_began_with() -> None:
    stage = Stage(12)
    stage.rounds(20 * RAISE_AFTER)
    assert stage.slots(P) == 6


def test_a_users_number_is_never_passed() -> None:
    stage = Stage(12, hard_limit=True)
    stage.rounds(20 * RAISE_AFTER)
    assert (stage.slots(P), stage.slots(Q)) == (3, 6)


def test_a_node_with_more_children_than_slots_gets_the_slot_soon() -> None:
    """The child above its slots need not be moved then."""
    stage = Stage(4)
    stage.rounds(RAISE_OVER)
    assert stage.slots(P) == 4
    stage.rounds(RAISE_OVER)
    assert stage.slots(P) == 4


def test_slots_on_top_go_when_nobody_uses_them() -> None:
    stage = Stage(5)
    stage.rounds(2 * RAISE_OVER)
    assert stage.slots(P) == 5
    for leaf in stage.leaves[2:]:
        stage.trees.remove(leaf)
        stage.capacity.forget(leaf)
    stage.rounds(DECAY_AFTER)
    assert stage.slots(P) == 4
    stage.rounds(10 * DECAY_AFTER)
    assert stage.slots(P) == 3


def test_a_slot_that_nobody_uses_is_given_less_and_less_often() -> None:
    stage = Stage(3)
    stage.rounds(300)
    assert 2 < len([node for node in stage.changed if node == P]) < 10


# --- down


def test_each_child_that_leaves_as_slow_costs_a_slot() -> None:
    stage = Stage(3)
    assert stage.leave(stage.leaves[0]) == [P]
    assert stage.slots(P) == 2
    stage.now += LOWER_EVERY
    assert stage.leave(stage.leaves[1]) == [P]
    assert stage.slots(P) == 1


def test_children_that_leave_at_the_same_moment_cost_one_slot_together() -> None:
    """They leave for the same reason: who is left may be well fed."""
    stage = Stage(5)
    stage.rounds(2 * RAISE_OVER)
    stage.leave(stage.leaves[0])
    assert stage.slots(P) == 4
    assert stage.leave(stage.leaves[1]) == []
    assert stage.slots(P) == 4


def test_a_node_that_has_few_children_keeps_no_more_slots_than_it_feeds() -> None:
    stage = Stage(2)
    stage.leave(stage.leaves[0])
    assert stage.slots(P) == 1


def test_a_node_that_its_last_child_leaves_as_slow_rests() -> None:
    stage = Stage(1)
    assert stage.leave(stage.leaves[0]) == [P]
    assert stage.slots(P) == 0
    stage.rounds(int(REST / EVERY) - 1)
    assert stage.slots(P) == 0
    stage.rounds(1)
    assert stage.slots(P) == 1


def test_each_rest_is_twice_as_long_as_the_one_before_up_to_a_bound() -> None:
    stage, rests = Stage(1), []
    for _ in range(MOST_DOUBLINGS + 2):
        stage.trees.attach(stage.leaves[0], S0, P)
        stage.now += LOWER_EVERY
        stage.leave(stage.leaves[0])
        rests.append(0)
        while stage.slots(P) == 0 and rests[-1] < 200:
            stage.rounds(1)
            rests[-1] += 1
    assert rests == [5, 10, 20, 40, 80, 80]


def test_a_user_s_number_is_lowered_too() -> None:
    stage = Stage(3, hard_limit=True)
    stage.leave(stage.leaves[0])
    assert stage.slots(P) == 2


def test_the_slots_come_back_one_by_one_and_more_slowly_after_each_loss() -> None:
    stage = Stage(2)
    stage.leave(stage.leaves[0])
    assert stage.slots(P) == 1
    stage.rounds(2 * RAISE_AFTER - 1)
    assert stage.slots(P) == 1
    stage.rounds(1)
    assert stage.slots(P) == 2
    stage.trees.attach(stage.leaves[0], S0, P)
    stage.leave(stage.leaves[0])
    stage.rounds(4 * RAISE_AFTER - 1)
    assert stage.slots(P) == 1
    stage.rounds(1)
    assert stage.slots(P) == 2


def test_several_children_that_are_behind_cost_a_slot_though_none_leaves() -> None:
    """There may be nowhere to go, or each of them may think that it is its own network."""
    stage = Stage(3)
    for leaf in stage.leaves[:2]:
        stage.behind[leaf, S0] = SLOW_LAG
    stage.rounds(1)
    assert (stage.slots(P), stage.slots(Q)) == (2, 3)
    stage.rounds(1)
    assert stage.slots(P) == 1
    stage.rounds(10)
    assert stage.slots(P) == 1


def test_one_child_that_is_behind_is_not_believed_against_many() -> None:
    stage = Stage(6)
    for leaf in stage.leaves[:2]:
        stage.behind[leaf, S0] = 5.0
    stage.rounds(1)
    assert stage.slots(P) == 3
    alone = Stage(1)
    alone.behind[alone.leaves[0], S0] = 5.0
    alone.rounds(1)
    assert alone.slots(P) == 3


def test_what_a_child_said_long_ago_does_not_count() -> None:
    stage = Stage(2)
    for leaf in stage.leaves:
        stage.behind[leaf, S0] = 5.0
    stage.report(stage.leaves[0])
    stage.now += BELIEVED_FOR + 0.1
    stage.report(stage.leaves[1])
    assert stage.slots(P) == 3


# --- the own network


def test_a_node_whose_own_network_is_slow_rests_until_it_is_no_longer() -> None:
    """Its parents keep their slots."""
    stage = Stage(3)
    stage.own_fault.add(P)
    stage.behind[P, S0] = stage.behind[P, S1] = 3.0
    assert stage.report(P) == [P]
    assert stage.slots(P) == 0
    stage.rounds(20)
    assert stage.slots(P) == 0
    stage.own_fault.clear()
    stage.behind.clear()
    stage.rounds(int(REST / EVERY))
    assert stage.slots(P) == 3


def test_a_leaf_whose_own_network_is_slow_takes_no_slot_from_its_parents() -> None:
    stage = Stage(3)
    leaf = stage.leaves[0]
    stage.own_fault.add(leaf)
    stage.behind[leaf, S0] = stage.behind[leaf, S1] = 3.0
    stage.rounds(20)
    assert (stage.slots(P), stage.slots(Q)) == (3, 3)
    assert stage.slots(leaf) == 0


def test_children_of_two_slow_parents_are_not_believed_that_it_is_them() -> None:
    """All links of each are behind, as if it were its own network; but all of them say so."""
    stage = Stage(3)
    for leaf in stage.leaves:
        stage.own_fault.add(leaf)
        stage.behind[leaf, S0] = stage.behind[leaf, S1] = 1.0
    stage.rounds(20)
    assert (stage.slots(P), stage.slots(Q)) == (1, 1)
    assert [stage.slots(leaf) for leaf in stage.leaves] == [3, 3, 3]


def test_children_of_a_slow_server_proxy_are_not_believed_either() -> None:
    stage = Stage(0)
    for node in (P, Q):
        stage.trees.attach(node, S0, ROOT)
        stage.trees.attach(node, S1, ROOT)
        stage.own_fault.add(node)
        stage.behind[node, S0] = stage.behind[node, S1] = 1.0
    stage.rounds(20)
    assert (stage.slots(P), stage.slots(Q)) == (3, 3)


# --- comings and goings


def test_who_comes_back_keeps_what_was_learnt() -> None:
    stage = Stage(2)
    stage.leave(stage.leaves[0])
    assert stage.capacity.begin(P, 3, hard_limit=False) == 1


def test_who_comes_back_with_another_number_starts_anew() -> None:
    stage = Stage(2)
    stage.leave(stage.leaves[0])
    assert stage.capacity.begin(P, 5, hard_limit=True) == 5
    assert stage.capacity.begin(P, 0, hard_limit=True) == 0


def test_who_comes_with_children_has_proved_that_it_feeds_them() -> None:
    """After a restart of the server proxy: as many as could have been learnt."""
    capacity = Capacity(Trees(stripes=2), 2)
    assert capacity.begin(P, 3, hard_limit=False, children=5) == 5
    assert capacity.begin(Q, 3, hard_limit=False, children=50) == 6
    assert capacity.begin(NodeId("r"), 3, hard_limit=True, children=5) == 3


def test_who_is_forgotten_or_unknown_has_no_slots_and_no_say() -> None:
    stage = Stage(1)
    stage.capacity.forget(P)
    assert stage.capacity.slots(P) == 0
    assert stage.report(P) == []
    assert stage.leave(stage.leaves[0]) == []
    assert stage.capacity.left_as_slow(ROOT, stage.now) == []


def test_a_parent_that_is_in_no_tree_any_more_is_nobody_s_matter() -> None:
    stage = Stage(1)
    stage.trees.remove(P)
    assert stage.capacity.left_as_slow(P, stage.now) == []


def test_the_trees_stay_whole_whatever_is_learnt() -> None:
    stage = Stage(6)
    for leaf in stage.leaves:
        stage.rounds(3)
        stage.leave(leaf)
        stage.trees.check(settled=False)


def test_a_node_rests_as_long_as_it_does_not_get_the_stream_in_time_itself() -> None:
    """Its links come and go: it may not even have the time to say that it is its own network."""
    stage = Stage(3)
    stage.own_fault.add(P)
    stage.report(P)
    stage.own_fault.clear()
    stage.behind[P, S0] = FLAT_LAG + 0.01
    stage.rounds(20)
    assert stage.slots(P) == 0
    stage.behind.clear()
    stage.trees.detach(P, S1)
    stage.rounds(20)
    assert stage.slots(P) == 0
    stage.trees.attach(P, S1, ROOT)
    stage.rounds(int(REST / EVERY))
    assert stage.slots(P) == 3


def test_the_children_of_a_node_that_rests_are_sent_elsewhere_who_can_take_others_first() -> None:
    stage = Stage(2)
    relay = NodeId("relay")
    stage.add(relay, {S0: P, S1: Q}, 3)
    stage.trees.serve(relay, S0)
    for leaf in stage.leaves:
        stage.trees.serve(leaf, S1)
    stage.own_fault.add(P)
    stage.report(P)
    assert stage.trees.moving_to(relay, S0) == ROOT
    assert [stage.trees.moving_to(leaf, S0) for leaf in stage.leaves] == [relay, relay]

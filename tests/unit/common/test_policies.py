"""The redirect policies by themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import pytest

from common.fields import AddPolicyName, DeletePolicyName, PathEntry
from common.ids import ROOT, NodeId, Stripe
from common.policies import (
    AddPolicy,
    Directory,
    KnockDown,
    RandomChild,
    RoundRobin,
    SmartBandwidth,
    SmartPlacement,
    add_policy,
    delete_policy,
)

S0, S1 = Stripe(0), Stripe(1)
ROOT_ENTRY, A, B = PathEntry(ROOT, ()), PathEntry("a", ("h:1",)), PathEntry("b", ("h:2",))


@dataclass(frozen=True)
class Somebody:
    node: NodeId
    slots: int = 3
    rtt_us: int | None = None
    stripe: Stripe = S0


def some(*names: str) -> list[Somebody]:
    return [Somebody(NodeId(name)) for name in names]


NEW = Somebody(NodeId("new"))


def named(policy: AddPolicy, children: Sequence[Somebody], newcomer: Somebody = NEW) -> list[str]:
    return [child.node for child in policy.targets(newcomer, children)]


def place(
    policy: AddPolicy, children: Sequence[Somebody], newcomer: Somebody = NEW
) -> Somebody | None:
    return policy.displaced(newcomer, children)


def test_every_name_has_its_policy() -> None:
    kinds = {name: type(add_policy(name, lambda n: n - 1)) for name in get_args(AddPolicyName)}
    assert kinds == {
        "random": RandomChild,
        "round_robin": RoundRobin,
        "smart_placement": SmartPlacement,
        "knock_down": KnockDown,
        "smart_bandwidth": SmartBandwidth,
    }
    assert isinstance(add_policy(None, lambda _: 0), Directory)


def test_the_directory_names_all_children_and_displaces_nobody() -> None:
    assert named(Directory(), some("a", "b", "c")) == ["a", "b", "c"]
    assert place(Directory(), [Somebody(NodeId("a"), 1, 900_000)], Somebody(NEW.node, 9, 1)) is None


def test_random_names_the_child_that_the_lot_says() -> None:
    asked: list[int] = []

    def randrange(below: int) -> int:
        asked.append(below)
        return 1

    assert named(RandomChild(randrange), some("a", "b", "c")) == ["b"]
    assert asked == [3]


def test_round_robin_moves_the_head_to_the_end() -> None:
    policy, children = RoundRobin(), some("a", "b", "c")
    assert [named(policy, children)[0] for _ in range(7)] == list("abcabca")


def test_round_robin_puts_a_new_child_last_and_forgets_who_left() -> None:
    policy = RoundRobin()
    named(policy, some("a", "b"))
    assert [named(policy, some("c", "b", "a"))[0] for _ in range(3)] == ["b", "a", "c"]
    assert [named(policy, some("a", "c"))[0] for _ in range(3)] == ["a", "c", "a"]


def test_round_robin_has_a_list_for_each_stripe() -> None:
    policy, other = RoundRobin(), Somebody(NodeId("new"), stripe=S1)
    assert named(policy, some("a", "b")) == ["a"]
    assert named(policy, some("x", "y"), other) == ["x"]
    assert named(policy, some("a", "b")) == ["b"]
    assert named(policy, some("x", "y"), other) == ["y"]


def test_smart_placement_leaves_the_choice_to_the_probes() -> None:
    policy = SmartPlacement()
    assert policy.by_rtt
    assert not policy.measured
    assert named(policy, some("a", "b")) == ["a", "b"]


def far(**rtts: int | None) -> list[Somebody]:
    return [Somebody(NodeId(name), 3, rtt) for name, rtt in rtts.items()]


@pytest.mark.parametrize(
    ("rtt_us", "slots", "who"),
    [
        (79_000, 3, "b"),
        (80_000, 3, "b"),
        (81_000, 3, None),  # nearer, but not by enough: the next one would knock it down again
        (79_000, 0, None),  # nobody could go under it
        (None, 3, None),
    ],
)
def test_knock_down_takes_the_place_of_the_farthest(
    rtt_us: int | None, slots: int, who: str | None
) -> None:
    found = place(KnockDown(), far(a=20_000, b=100_000, c=None), Somebody(NEW.node, slots, rtt_us))
    assert (None if found is None else found.node) == who


def test_knock_down_does_not_compare_what_was_not_measured_or_is_within_a_millisecond() -> None:
    assert place(KnockDown(), far(a=None), Somebody(NEW.node, 3, 1)) is None
    assert place(KnockDown(), far(a=1_100), Somebody(NEW.node, 3, 200)) is None
    assert place(KnockDown(), far(a=1_200), Somebody(NEW.node, 3, 200)) is not None
    assert place(KnockDown(), [], Somebody(NEW.node, 3, 200)) is None


def test_knock_down_sends_all_others_to_the_nearest_child() -> None:
    assert KnockDown().measured
    assert KnockDown().by_rtt
    assert named(KnockDown(), some("a", "b")) == ["a", "b"]


def test_smart_bandwidth_takes_the_place_of_the_child_with_the_fewest_slots() -> None:
    children = [Somebody(NodeId("a"), 4), Somebody(NodeId("b"), 2), Somebody(NodeId("c"), 2)]
    found = place(SmartBandwidth(), children, Somebody(NEW.node, 3))
    assert found == children[1]
    assert place(SmartBandwidth(), children, Somebody(NEW.node, 2)) is None
    assert place(SmartBandwidth(), [], NEW) is None


def test_smart_bandwidth_sends_all_others_round() -> None:
    policy, children = SmartBandwidth(), some("a", "b")
    assert [named(policy, children)[0] for _ in range(3)] == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("name", "target", "everyone"),
    [
        ("root", ROOT_ENTRY, False),
        ("root_all", ROOT_ENTRY, True),
        ("grandfather", A, False),
        ("grandfather_all", A, True),
    ],
)
def test_delete_policies(name: DeletePolicyName, target: PathEntry, everyone: bool) -> None:
    policy = delete_policy(name)
    assert policy.target([ROOT_ENTRY, A, B]) == target
    assert policy.target([ROOT_ENTRY, B]) == ROOT_ENTRY
    assert policy.target([ROOT_ENTRY]) is None  # it was the server proxy itself
    assert policy.target([]) is None
    assert policy.everyone is everyone


def test_every_delete_policy_is_tested() -> None:
    assert set(get_args(DeletePolicyName)) == {"root", "root_all", "grandfather", "grandfather_all"}

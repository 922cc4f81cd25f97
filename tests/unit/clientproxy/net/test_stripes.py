"""What a node makes of what its parents tell it of themselves."""

import logging

import msgspec
import pytest

from clientproxy.config import ClientConfig
from clientproxy.net import node as nodes
from clientproxy.net.feed import MergedFeed
from clientproxy.net.stripes import Stripes
from clientproxy.net.uplink import Uplink
from common.children import SendAway
from common.fields import PathEntry
from common.frame import Packet, Received, encode
from common.ids import ROOT, Address, NodeId, Stripe
from common.messages import AttachedReport, ChildLost, Clock, Offer, ParentLost
from common.policies import way_in
from common.runtime.tasks import Tasks

S0 = Stripe(0)
P = NodeId("p")
BEGINS = 1000
SERVER = Address("127.0.0.1", 7854)


class Node:
    """The stripe of a node that has everything from `BEGINS` to 1004."""

    def __init__(self, **settings: object) -> None:
        config = ClientConfig.model_validate({"server": "127.0.0.1:7854", **settings})
        self.feed = MergedFeed("cam", reorder_timeout=2.0, history_bytes=1 << 20)
        self.feed.begin(BEGINS, None, {}, stripes=1)
        self.feed.complete()
        self.told: list[AttachedReport | ParentLost | ChildLost] = []
        offer = Offer(
            node="n",
            serve=0,
            stripes=1,
            slots=2,
            group_key="key",
            instance=BEGINS,
            stream=None,
            source_up=True,
            sender_reports=(),
            start=BEGINS,
            parents=(),
            addresses=("n:7855",),
            clock=Clock(sent_us=0, received_us=0, replied_us=0),
        )
        self.stripes = Stripes(offer, SERVER, config, self.feed, self.told.append)
        packets = [Packet(BEGINS + n, 0, 0, 0, b"") for n in range(5)]
        self.stripes.take(S0, Received(packets, [encode(one) for one in packets], []), parent=P)


async def test_a_log_reaches_further_back_than_the_merge_until_that_goes_on() -> None:
    """Later the packets from before would only keep live ones waiting behind them."""
    node = Node()
    offer = msgspec.structs.replace(node.stripes.offer, stripes=2, logs_from=BEGINS - 100)
    node.feed.begin(BEGINS, None, {}, stripes=2)
    config = ClientConfig.model_validate({"server": "127.0.0.1:7854"})
    newcomer = Stripes(offer, SERVER, config, node.feed, node.told.append)
    assert newcomer.wanted(Stripe(1)) == BEGINS - 100
    assert node.feed.skip_to(BEGINS + 50)
    assert newcomer.wanted(Stripe(1)) == BEGINS + 50


async def test_a_node_asks_for_what_comes_behind_the_last_number_that_it_holds() -> None:
    node = Node()
    assert node.stripes.wanted(S0) == BEGINS + 5
    assert node.stripes.attach_request(S0, orphan=True, visited=()).start == BEGINS + 5


async def test_what_a_new_parent_has_not_is_a_hole_and_counted_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = Node()
    node.stripes.attached_to(S0, P, BEGINS + 5)
    assert node.stripes.stats[S0].holes == 0
    with caplog.at_level(logging.WARNING):
        node.stripes.attached_to(S0, P, BEGINS + 8)
    assert node.stripes.stats[S0].holes == 3
    assert "p has nothing before 1008: 3 packets are missing" in caplog.text


async def test_who_finds_itself_among_its_ancestors_leaves_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cycle lives until one path frame has gone round it."""
    node, left = Node(), list[tuple[Stripe, str]]()
    monkeypatch.setattr(Uplink, "give_up", lambda _, stripe, reason: left.append((stripe, reason)))
    above = [PathEntry(name, ()) for name in (ROOT, "a", "p")]
    node.stripes.path_changed(S0, above)
    assert left == []
    node.stripes.path_changed(S0, [above[0], PathEntry("n", ()), *above[1:]])
    assert left == [(S0, "loop")]
    path = node.stripes.path(S0)
    assert path is not None
    assert [one.node for one in path] == [ROOT, "a", "p", "n"], "the children hear of no cycle"


async def test_a_child_that_says_goodbye_is_not_reported_as_lost() -> None:
    node = Node()
    for reason in ("bye", "moved", "redirected", "too_slow"):
        node.stripes.child_lost(S0, NodeId("c"), reason)
    assert node.told == []
    for reason in ("closed", "silent"):
        node.stripes.child_lost(S0, NodeId("c"), reason)
    assert [one.reason for one in node.told if isinstance(one, ChildLost)] == ["closed", "silent"]


@pytest.mark.parametrize(("settings", "most"), [({}, 3), ({"max_children": 2}, 2)])
async def test_orphans_may_be_one_too_many_but_never_above_the_users_number(
    settings: dict[str, object], most: int
) -> None:
    node = Node(**settings)
    children = node.stripes.downlink.children
    for number in range(4):
        request = node.stripes.attach_request(S0, orphan=True, visited=())
        children.ask(msgspec.structs.replace(request, node=f"c{number}", serve=None), ())
    assert len(children.of(S0)) == most


@pytest.mark.parametrize(
    ("before", "after", "most"),
    [({}, {"max_children": 2}, 2), ({"max_children": 2}, {}, 3)],
)
async def test_a_users_number_that_is_reloaded_is_a_limit_from_then_on(
    before: dict[str, object], after: dict[str, object], most: int
) -> None:
    address = Address("127.0.0.1", 7854)
    first, second = (
        ClientConfig.model_validate({"server": str(address), **one}) for one in (before, after)
    )
    member = nodes.Node("cam", address, first, address, Tasks())
    node = Node(**before)
    member.stripes = node.stripes
    member.follow(second)
    children = node.stripes.downlink.children
    for number in range(4):
        request = node.stripes.attach_request(S0, orphan=True, visited=())
        children.ask(msgspec.structs.replace(request, node=f"c{number}", serve=None), ())
    assert len(children.of(S0)) == most


async def test_a_node_is_starved_without_a_parent_and_with_one_that_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its children need not wait until the link is closed."""
    node = Node()
    assert node.stripes.starved(S0)
    node.stripes.path_changed(S0, [PathEntry(ROOT, ())])
    assert not node.stripes.starved(S0)
    monkeypatch.setattr(Uplink, "silent", lambda _, stripe: stripe == S0)
    assert node.stripes.starved(S0)


async def test_other_rules_after_a_restart_are_followed_and_nobody_loses_its_place() -> None:
    """The channel's way in has changed: the policies of a saturated node and of its search too."""
    node = Node(max_children=2)
    children, search = node.stripes.downlink.children, node.stripes.uplink.search
    node.stripes.serving(0, 2)

    def asks(name: str) -> list[str]:
        request = node.stripes.attach_request(S0, orphan=False, visited=())
        answer = children.ask(msgspec.structs.replace(request, node=name), ())
        return [one.node for one in answer.targets] if isinstance(answer, SendAway) else []

    assert [asks(name) for name in ("c", "d", "e")] == [[], [], ["c", "d"]]
    other = msgspec.structs.replace(
        node.stripes.offer,
        instance=BEGINS + 1,
        join="redirect",
        add_policy="round_robin",
        delete_policy="root_all",
    )
    node.stripes.offered(other)
    assert search.way_in == search.standbys.way_in == way_in("redirect", "round_robin", "root_all")
    assert [asks("e") for _ in range(2)] == [["c"], ["d"]]
    again = msgspec.structs.replace(other, instance=BEGINS + 2)
    asks("e")
    node.stripes.offered(again)
    assert asks("e") == ["d"], "the same rules: it goes on where it was"
    assert [child.node for child in children.of(S0)] == ["c", "d"]

"""Who comes back after a restart of the server proxy, who is away, who is suspected (Z33, S38)."""

from collections.abc import Sequence
from itertools import permutations

import pytest

from common.fields import LostReason, StripeReport, StripeState
from common.ids import ROOT, NodeId, Stripe
from common.messages import (
    AttachedReport,
    Candidates,
    ChildLost,
    Leave,
    ParentLost,
    Redirect,
    Serve,
)
from common.messages import Report as ReportMessage
from serverproxy.core import roster
from serverproxy.core.capacity import RAISE_AFTER
from serverproxy.core.members import (
    ACCUSED_WITHIN,
    MOST_ACCUSED,
    Command,
    ControlLost,
    Event,
    Forgotten,
    Joined,
    MakeOffer,
    Reached,
    Rejoined,
    Send,
    Told,
    Unreached,
)
from serverproxy.core.membership import Membership
from serverproxy.core.tree import Trees

GRACE = 10.0
S0, S1 = STRIPES = Stripe(0), Stripe(1)

OLD = {
    # node: its interior stripe, and its parent in each
    "a": (S0, (ROOT, "b")),
    "b": (S1, ("a", ROOT)),
    "c": (S0, ("a", "b")),
    "d": (S1, ("c", "b")),
    "e": (S0, ("c", "d")),
    "f": (S1, ("c", "d")),
}
"""The trees before the restart."""


def children(name: str, stripe: Stripe) -> tuple[str, ...]:
    return tuple(node for node, (_, above) in OLD.items() if above[stripe] == name)


class Restarted:
    """A membership of a new server process; the trees are checked after each step."""

    def __init__(self) -> None:
        self.trees = Trees(stripes=2)
        self.core = Membership(self.trees, stripes=2, away_grace=GRACE)
        self.now = 0.0

    def handle(self, event: Event) -> list[Command]:
        commands = self.core.handle(event, self.now)
        self.trees.check(settled=False)
        return commands

    def back(self, name: str) -> list[Command]:
        """Let a node come back; the server proxy's own children have lost it."""
        serves, above = OLD[name]
        states = tuple(
            StripeState(
                s, s == serves, None if above[s] == ROOT else above[s], children(name, s), 7
            )
            for s in STRIPES
        )
        return self.handle(
            Rejoined(
                node=NodeId(name),
                addresses=(f"{name}:1",),
                max_children=None,
                stripes=states,
            )
        )

    def told(self, name: str, message: AttachedReport | ParentLost | ChildLost) -> list[Command]:
        return self.handle(Told(NodeId(name), message))

    def attach(self, name: str, stripe: Stripe, parent: str) -> list[Command]:
        return self.told(name, AttachedReport(stripe=stripe, parent=parent, first=0))

    def say(
        self, name: str, parents: Sequence[str | None], below: Sequence[str] = ()
    ) -> list[Command]:
        """Let a node report."""
        stripes = tuple(
            StripeReport(Stripe(s), parent, 0.0, 0, 0, 0, tuple(below))
            for s, parent in enumerate(parents)
        )
        message = ReportMessage(
            sent_us=1, delay=0.0, stripes=stripes, players=0, delivered=0, lost=0
        )
        return self.handle(Told(NodeId(name), message))

    def expire(self, at: float) -> list[Command]:
        self.now = at
        commands = self.core.expire(at)
        self.trees.check(settled=False)
        return commands

    def parents(self, name: str) -> tuple[NodeId | None, ...]:
        return tuple(self.trees.parent(NodeId(name), stripe) for stripe in STRIPES)

    def join(self, name: str) -> MakeOffer:
        event = Joined(node=NodeId(name), addresses=(f"{name}:1",), max_children=None)
        return offered(self.handle(event))


def offered(commands: Sequence[Command]) -> MakeOffer:
    (offer,) = (one for one in commands if isinstance(one, MakeOffer))
    return offer


def asked(offer: MakeOffer) -> dict[int, list[str]]:
    return {one.stripe: [c.node for c in one.candidates] for one in offer.parents}


def moved(commands: Sequence[Command]) -> list[Command]:
    return [c for c in commands if isinstance(c, Send) and isinstance(c.message, Redirect)]


@pytest.mark.parametrize("order", list(permutations(OLD))[::37])
def test_the_trees_stand_as_they_stood_in_whatever_order_nodes_come_back(
    order: Sequence[str],
) -> None:
    new = Restarted()
    commands: list[Command] = []
    for name in order:
        offer = offered(new.back(name))
        serves, above = OLD[name]
        assert offer.serve == serves
        lacking = {stripe: [ROOT] for stripe in STRIPES if above[stripe] == ROOT}
        assert asked(offer) == lacking, "the Offer names who is asked for what lacks a parent"
        for stripe in lacking:
            new.attach(name, stripe, ROOT)
        new.now += 0.3
        commands += new.expire(new.now)
    assert {name: new.parents(name) for name in OLD} == {n: above for n, (_, above) in OLD.items()}
    assert not any(member.placeholder for member in new.core.members.values())
    for second in range(2, 30):
        commands += new.expire(float(second))
    assert moved(commands) == []
    assert [one for one in commands if isinstance(one, Forgotten)] == []
    new.trees.check()


def test_a_parent_that_is_not_back_yet_keeps_its_children_and_gets_no_others() -> None:
    new = Restarted()
    new.back("d")
    assert new.parents("d") == ("c", "b")
    offer = new.join("x")
    assert {name for names in asked(offer).values() for name in names} <= {ROOT, "d"}


def test_a_placeholder_goes_with_its_last_child() -> None:
    new = Restarted()
    new.back("d")
    new.back("e")
    new.attach("d", S0, ROOT)
    assert "c" in new.core.members
    new.attach("e", S0, ROOT)
    assert "c" not in new.core.members
    new.handle(Told(NodeId("d"), Leave()))
    new.handle(Told(NodeId("e"), Leave()))
    assert list(new.core.members) == list(new.trees.nodes()) == []


def test_a_parent_that_stays_away_is_let_go_after_the_grace() -> None:
    """Unless a child goes on saying that it hangs there: then its links live."""
    new = Restarted()
    new.back("d")
    new.now = GRACE - 1
    new.say("d", ("c", None))
    new.expire(GRACE + 1)
    assert new.parents("d") == ("c", None)
    assert new.expire(2 * GRACE) == []
    assert new.parents("d") == (None, None)
    assert list(new.core.members) == ["d"]


def test_placeholders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever names a peer makes up."""
    monkeypatch.setattr(roster, "MAX_PLACEHOLDERS", 3)
    new = Restarted()
    for number in range(5):
        new.join(f"x{number}")
        new.attach(f"x{number}", S0, f"stranger{number}")
        new.attach("x0", S1, f"other{number}")
    assert sum(member.placeholder for member in new.core.members.values()) == 3


def test_a_node_with_more_children_than_its_slots_keeps_them() -> None:
    """It was given them when it was seen to do well, up to twice the slots."""
    new = Restarted()
    states = (
        StripeState(S0, True, "a", ("p", "q", "r", "s"), 1),
        StripeState(S1, False, "a", (), 1),
    )
    event = Rejoined(node=NodeId("n"), addresses=("n:1",), max_children=None, stripes=states)
    assert offered(new.handle(event)).slots == 4


def test_where_a_node_was_reached_before_counts_while_it_is_dialled() -> None:
    new = Restarted()
    event = Rejoined(
        node=NodeId("n"),
        addresses=(),
        max_children=None,
        stripes=(),
        reached=("n:1",),
    )
    offer = offered(new.handle(event))
    assert (offer.addresses, offer.slots) == (("n:1",), 3)
    (serve,) = new.handle(Unreached(NodeId("n")))
    assert isinstance(serve, Send)
    assert new.trees.slots(NodeId("n")) == 0
    assert new.handle(Unreached(NodeId("stranger"))) == []


def test_a_limit_that_was_changed_while_it_was_known_counts_for_a_late_dial_back() -> None:
    new = Restarted()
    new.join("n")
    node = NodeId("n")
    new.handle(Rejoined(node=node, addresses=("n:1",), max_children=1, stripes=()))
    new.handle(Unreached(node))
    new.handle(Reached(node, ("n:1",)))
    assert new.trees.slots(node) == 1


def test_who_has_children_can_evidently_be_reached() -> None:
    new = Restarted()
    new.back("a")
    new.back("c")
    assert new.handle(Unreached(NodeId("a"))) == []
    assert new.trees.slots(NodeId("a")) == 3


# --- away


def test_who_is_away_stays_while_a_parent_or_a_child_speaks_of_it() -> None:
    """Its control link is cut, its data links are not."""
    new = Restarted()
    for name in OLD:
        new.back(name)
    new.handle(ControlLost(NodeId("d")))
    for at in range(0, 60, 2):
        new.now = float(at)
        new.say("e", ("c", "d"))
        new.expire(new.now)
    assert "d" in new.core.members
    assert new.parents("e") == ("c", "d")
    assert new.expire(58 + GRACE)[:1] == [Forgotten(NodeId("d"))]
    new.handle(ControlLost(NodeId("f")))
    for at in range(70, 100, 2):
        new.now = float(at)
        new.say("c", ("a", "b"), ["d", "f"])
        new.expire(new.now)
    assert "f" in new.core.members


def test_a_child_of_the_server_proxy_is_away_until_its_link_ends() -> None:
    new = Restarted()
    new.back("a")
    new.attach("a", S0, ROOT)
    new.handle(ControlLost(NodeId("a")))
    new.expire(10 * GRACE)
    assert "a" in new.core.members
    assert new.core.root_child_lost(S0, NodeId("a")) == [Forgotten(NodeId("a"))]


def test_a_child_that_leaves_the_server_proxy_while_it_is_away_is_forgotten_in_time() -> None:
    new = Restarted()
    new.back("a")
    new.attach("a", S0, ROOT)
    new.core.root_child_left(S0, NodeId("a"))
    assert new.parents("a")[0] == ROOT, "it says itself where it is"
    new.handle(ControlLost(NodeId("a")))
    new.core.root_child_left(S1, NodeId("a"))
    assert new.parents("a")[0] == ROOT
    new.core.root_child_left(S0, NodeId("a"))
    assert new.parents("a")[0] is None
    new.expire(GRACE)
    assert list(new.core.members) == []


def test_all_who_are_away_are_looked_at_now_and_then_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server proxy asks many times a second; they may be thousands."""
    new, looked_at = Restarted(), list[NodeId]()
    forgotten_at = new.core.forgotten_at

    def look(node: NodeId) -> float | None:
        looked_at.append(node)
        return forgotten_at(node)

    new.back("d")
    monkeypatch.setattr(new.core, "forgotten_at", look)
    for _ in range(20):
        assert new.core.next_deadline() == GRACE
        new.expire(0.1)
    assert len(looked_at) <= 2 * len(new.core.members)
    new.handle(ControlLost(NodeId("d")))
    looked_at.clear()
    new.core.next_deadline()
    assert "d" in looked_at, "who has just gone is thought of"


# --- what a node can feed


def served(commands: Sequence[Command]) -> dict[str, int]:
    return {
        c.node: c.message.slots
        for c in commands
        if isinstance(c, Send) and isinstance(c.message, Serve)
    }


def test_a_full_node_whose_children_do_well_is_told_of_another_slot() -> None:
    """`capacity` decides; the node is told, and keeps it when it comes back."""
    new = chain()
    told: dict[str, int] = {}
    for _ in range(RAISE_AFTER):
        new.now += 2.0
        told |= served(new.say("a", (ROOT, "b"), "bcy"))
    assert told == {"a": 4}
    assert new.trees.slots(NodeId("a")) == 4
    new.handle(ControlLost(NodeId("a")))
    assert offered(new.back("a")).slots == 4


def test_a_parent_that_is_left_as_slow_is_told_that_it_has_fewer() -> None:
    new = chain()
    report = AttachedReport(stripe=S0, parent="a", first=1, lost="c", reason="slow")
    told = served(new.told("d", report))
    assert told == {"c": 2}
    assert new.core.stats.parents_lost == {"slow": 1}


def test_nobody_takes_slots_from_who_is_not_its_parent() -> None:
    new = chain()
    report = AttachedReport(stripe=S0, parent="c", first=1, lost="a", reason="slow")
    assert served(new.told("d", report)) == {}


# --- suspects


def chain() -> Restarted:
    new = Restarted()
    for name in OLD:
        new.back(name)
    new.attach("a", S0, ROOT)
    new.attach("b", S1, ROOT)
    new.join("y")
    new.attach("y", S0, "a")
    new.attach("y", S1, "d")
    return new


def lose(new: Restarted, name: str, parent: str, reason: LostReason) -> list[str]:
    message = ParentLost(stripe=S0, parent=parent, reason=reason, newest=0, tried=())
    commands = new.told(name, message)
    (answer,) = (
        c.message for c in commands if isinstance(c, Send) and isinstance(c.message, Candidates)
    )
    return [one.node for one in answer.parents.candidates]


@pytest.mark.parametrize("reason", ["silent", "closed"])
def test_whom_a_child_has_lost_is_nobodys_candidate_until_it_reports(reason: LostReason) -> None:
    new = chain()
    lose(new, "e", "c", reason)
    assert "c" not in lose(new, "f", "c", reason)
    assert "c" not in asked(new.join("x"))[S0]
    new.say("c", ("a", "b"))
    assert "c" in lose(new, "f", "stranger", "refused")


def test_a_suspicion_is_over_after_the_grace() -> None:
    new = chain()
    lose(new, "e", "c", "silent")
    assert "c" not in lose(new, "f", "stranger", "refused")
    new.now += GRACE
    assert "c" in lose(new, "f", "stranger", "refused")


def test_a_parent_that_was_left_for_another_reason_is_no_suspect() -> None:
    new = chain()
    lose(new, "e", "c", "end")
    assert "c" in lose(new, "f", "stranger", "refused")


def test_a_standby_that_has_taken_over_says_who_was_lost() -> None:
    """Like ParentLost, and however often, and in whatever order with the end of its own link."""
    for control_first in (True, False):
        new = chain()
        forgotten: list[Command] = []
        if control_first:
            forgotten += new.handle(ControlLost(NodeId("c")))
        for name in ("e", "f", "e", "d"):
            message = AttachedReport(stripe=S0, parent="a", first=9, lost="c", reason="closed")
            forgotten += new.told(name, message)
        if not control_first:
            assert "c" not in asked(new.join("x"))[S0]
            forgotten += new.handle(ControlLost(NodeId("c")))
            lost = ChildLost(stripe=S0, child="c", reason="closed")
            forgotten += new.told("a", lost)
        assert forgotten == [Forgotten(NodeId("c"))]
        assert {new.parents(name)[0] for name in "def"} == {"a"}
        assert new.core.stats.parents_lost == {"closed": 4}


def test_nobody_has_another_suspected_or_forgotten_who_is_not_its_parent() -> None:
    """With either message; what it says is only counted."""
    new = chain()
    report = AttachedReport(stripe=S0, parent="c", first=1, lost="b", reason="silent")
    for away in (False, True):
        if away:
            new.handle(ControlLost(NodeId("b")))
        assert [c for c in new.told("d", report) if isinstance(c, Forgotten)] == []
        lose(new, "y", "b", "closed")
        assert "b" in new.core.members
        assert NodeId("b") not in new.core.suspects
    assert new.core.stats.parents_lost == {"silent": 2, "closed": 2}


def test_one_node_is_believed_about_so_many_parents_a_minute() -> None:
    """It can say of each that it hangs there, and then that it lost it: two messages."""
    new = chain()
    for number in range(MOST_ACCUSED + 1):
        assert NodeId("c") not in new.core.suspects
        new.now += ACCUSED_WITHIN / MOST_ACCUSED / 2
        new.attach("y", S0, "c")
        lose(new, "y", "c", "silent")
        assert (NodeId("c") in new.core.suspects) == (number < MOST_ACCUSED)
        new.say("c", ("a", "b"))
    new.handle(ControlLost(NodeId("c")))
    new.attach("y", S0, "c")
    lose(new, "y", "c", "closed")
    assert "c" in new.core.members
    new.now += ACCUSED_WITHIN
    new.attach("y", S0, "c")
    lose(new, "y", "c", "closed")
    assert "c" not in new.core.members


def test_nor_is_it_believed_that_all_are_slow() -> None:
    new = chain()
    said = 0
    for _ in range(MOST_ACCUSED + 1):
        new.attach("y", S0, "c")
        report = AttachedReport(stripe=S0, parent="a", first=1, lost="c", reason="slow")
        said += new.core.slow_parent(NodeId("y"), report, new.now) is not None
    assert said == MOST_ACCUSED


def test_who_is_on_its_way_to_a_parent_is_believed_that_it_is_lost() -> None:
    """It hung there a moment, and its report has not come."""
    new = chain()
    (target, *_) = lose(new, "y", "a", "end")
    assert target == new.trees.moving_to(NodeId("y"), S0) != ROOT
    new.handle(ControlLost(NodeId(target)))
    lose(new, "y", target, "closed")
    assert target not in new.core.members


def test_who_says_that_the_server_proxy_feeds_it_is_not_believed_without_a_link() -> None:
    """Its slots would be taken by liars, and newcomers sent to them alone."""
    new, links = Restarted(), set[tuple[str, Stripe]]()
    new.core.root_feeds = lambda node, stripe: (node, stripe) in links
    for number in range(6):
        new.join(f"x{number}")
        for stripe in STRIPES:
            new.attach(f"x{number}", stripe, ROOT)
        new.say(f"x{number}", (ROOT, ROOT))
        new.handle(ControlLost(NodeId(f"x{number}")))
        states = tuple(StripeState(s, False, ROOT, (), 7) for s in STRIPES)
        event = Rejoined(
            node=NodeId(f"x{number}"), addresses=("x:1",), max_children=None, stripes=states
        )
        new.handle(event)
    assert not any(new.trees.children(ROOT, stripe) for stripe in STRIPES)
    new.trees.check()
    links.add(("x0", S0))
    new.say("x0", (ROOT, ROOT))
    assert new.parents("x0") == (ROOT, None)


def test_a_report_that_comes_after_the_link_to_the_server_proxy_has_ended_changes_nothing() -> None:
    """Nor does it where the node hangs under another by then; whom it lost counts all the same."""
    new, fed = Restarted(), {"a"}
    new.core.root_feeds = lambda node, _: node in fed
    for name in "ab":
        new.join(name)
    new.core.root_child_taken(S0, NodeId("a"))
    new.attach("b", S0, "a")
    fed.clear()
    new.core.root_child_lost(S0, NodeId("a"))
    new.say("a", (ROOT, None))
    assert new.parents("a")[0] is None, "the link ended while the report was on its way"
    new.told("b", AttachedReport(stripe=S0, parent=ROOT, first=1, lost="a", reason="silent"))
    assert new.parents("b")[0] == "a", "it was on its way back by then"
    assert NodeId("a") in new.core.suspects

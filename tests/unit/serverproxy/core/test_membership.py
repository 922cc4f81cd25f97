"""Nodes of one channel: events in, commands out; then whole overlays of them (Z11, Z34, S13)."""

from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from common.fields import LostReason, StripeReport, StripeState
from common.ids import ROOT, NodeId, Stripe
from common.messages import (
    AttachedReport,
    Candidates,
    ChildLost,
    DetachedReport,
    Leave,
    MakeWay,
    ParentLost,
    Redirect,
    Report,
    Serve,
    Standby,
)
from serverproxy.core.asking import MAX_ASKED
from serverproxy.core.members import (
    Command,
    ControlLost,
    Forgotten,
    Joined,
    MakeOffer,
    Reached,
    Refuse,
    Rejoined,
    Send,
    Told,
)
from serverproxy.core.membership import ASK_AGAIN, SETTLE_SOON, Membership
from serverproxy.core.places import Candidate, Placement
from serverproxy.core.tree import Move, Trees
from tests.support.overlay_model import STRIPES, Model

GRACE = 10.0
S0, S1 = STRIPES


class Overlay:
    """A membership that is asked in short words; the trees are checked after each."""

    def __init__(self, *, repair_slots: int = 1) -> None:
        self.trees = Trees(stripes=2, repair_slots=repair_slots)
        self.core = Membership(self.trees, stripes=2, away_grace=GRACE)
        self.now = 0.0

    def handle(self, event: Joined | Rejoined | Told | ControlLost | Reached) -> list[Command]:
        commands = self.core.handle(event, self.now)
        self.trees.check(settled=False)
        return commands

    def join(
        self, name: str, max_children: int | None = None, *, reachable: bool = True
    ) -> list[Command]:
        addresses = (f"{name}:1",) if reachable else ()
        event = Joined(node=NodeId(name), addresses=addresses, max_children=max_children)
        return self.handle(event)

    def attach(self, name: str, parent: str, *stripes: Stripe) -> None:
        for stripe in stripes or STRIPES:
            self.told(name, AttachedReport(stripe=stripe, parent=parent, first=0))

    def told(
        self,
        name: str,
        message: AttachedReport | DetachedReport | ParentLost | ChildLost | Report | Leave,
    ) -> list[Command]:
        return self.handle(Told(NodeId(name), message))

    def lose(
        self,
        name: str,
        parent: str | None,
        *,
        tried: Sequence[str] = (),
        reason: LostReason = "closed",
    ) -> list[Command]:
        message = ParentLost(stripe=S0, parent=parent, reason=reason, newest=0, tried=tuple(tried))
        return self.told(name, message)

    def expire(self, at: float) -> list[Command]:
        self.now = at
        commands = self.core.expire(at)
        self.trees.check(settled=False)
        return commands

    def parent(self, name: str, stripe: Stripe = S0) -> NodeId | None:
        return self.trees.parent(NodeId(name), stripe)

    def chain(self) -> None:
        """Let n1 be the only child of the server proxy, n2 hang under it in stripe 0."""
        self.join("n1")
        self.attach("n1", ROOT)
        self.join("n2")
        self.attach("n2", "n1", S0)
        self.attach("n2", ROOT, S1)


def offered(commands: Sequence[Command]) -> MakeOffer:
    (offer,) = (one for one in commands if isinstance(one, MakeOffer))
    return offer


def candidates(commands: Sequence[Command]) -> Candidates:
    (answer,) = (
        one.message
        for one in commands
        if isinstance(one, Send) and isinstance(one.message, Candidates)
    )
    return answer


def names(answer: Candidates) -> list[str]:
    return [one.node for one in answer.parents.candidates]


def report(*parents: tuple[Stripe, str | None], delay: float = 0.5) -> Report:
    return Report(
        sent_us=1,
        delay=delay,
        stripes=tuple(StripeReport(stripe, p, 0.0, 0, 0, 0, ()) for stripe, p in parents),
        players=2,
        delivered=7,
        lost=3,
    )


def test_what_the_trees_owe_for_lost_slots_is_done_soon() -> None:
    """The other children of a slow parent are behind already."""
    overlay = Overlay()
    for name in "abcd":
        overlay.join(name)
    for child, parent in (("a", ROOT), ("b", "a"), ("c", "a"), ("d", "a")):
        overlay.handle(Told(NodeId(child), AttachedReport(stripe=0, parent=parent, first=1)))
    overlay.now += 0.2
    moved = AttachedReport(stripe=0, parent=ROOT, first=1, lost="a", reason="slow")
    commands = overlay.handle(Told(NodeId("d"), moved))
    assert [
        c.message.slots for c in commands if isinstance(c, Send) and isinstance(c.message, Serve)
    ] == [2]
    assert overlay.core.next_deadline() == overlay.now + SETTLE_SOON


def test_the_first_node_is_offered_the_server_proxy_in_all_stripes() -> None:
    offer = offered(Overlay().join("n1"))
    assert (offer.node, offer.serve, offer.slots, offer.addresses) == ("n1", 0, 3, ("n1:1",))
    assert [[c.node for c in one.candidates] for one in offer.parents] == [[ROOT], [ROOT]]
    assert offer.parents[0].candidates[0].addresses == ()


def test_two_joins_at_once_are_not_promised_the_same_slot() -> None:
    """Neither has reported anything when the second one comes (Z11)."""
    overlay = Overlay(repair_slots=0)
    first, second = offered(overlay.join("n1")), offered(overlay.join("n2"))
    for stripe in STRIPES:
        places = [
            (one.parents[stripe].candidates[0].node, one.parents[stripe].candidates[0].available)
            for one in (first, second)
        ]
        assert places[0] != places[1]
    assert {first.serve, second.serve} == {0, 1}


def test_a_candidate_has_the_address_and_the_delay_of_its_node() -> None:
    overlay = Overlay()
    overlay.join("n1")
    overlay.attach("n1", ROOT)
    overlay.told("n1", report((S0, ROOT), (S1, ROOT)))
    found = [c for one in offered(overlay.join("n2")).parents for c in one.candidates]
    (known,) = [one for one in found if one.node == "n1"]
    assert (known.addresses, known.delay, known.available) == (("n1:1",), 0.5, True)


def test_who_finds_no_slot_is_refused_with_a_time_and_leaves_nothing_behind() -> None:
    overlay = Overlay(repair_slots=0)
    overlay.join("n1", 0)
    refused = overlay.join("n2", 0)
    assert [(type(one), one.reason) for one in refused if isinstance(one, Refuse)] == [
        (Refuse, "full")
    ]
    assert all(one.retry_after > 0 for one in refused if isinstance(one, Refuse))
    assert list(overlay.core.members) == list(overlay.trees.nodes()) == ["n1"]
    assert overlay.core.stats.joins == {"ok": 1, "full": 1}


def test_who_may_have_slots_yet_is_not_refused_before_that_is_known() -> None:
    """There is no room for another node without slots, but for one with some."""
    overlay = Overlay(repair_slots=0)
    overlay.join("n1")
    overlay.attach("n1", ROOT)
    overlay.join("n2", 0)
    overlay.attach("n2", "n1")
    name, before = NodeId("n3"), dict(overlay.core.stats.joins)
    joined = Joined(node=name, addresses=(), max_children=None, dialling=True)
    assert overlay.handle(joined) == []
    assert list(overlay.core.members) == list(overlay.trees.nodes()) == ["n1", "n2"]
    assert overlay.core.stats.joins == before
    reached = overlay.handle(Joined(node=name, addresses=("n3:1",), max_children=None))
    assert [one.slots for one in reached if isinstance(one, MakeOffer)] == [3]


def test_who_cannot_be_reached_has_no_slots_until_a_late_dial_back() -> None:
    """Success later gives it its slots by Serve; a second word changes nothing."""
    overlay = Overlay()
    offer = offered(overlay.join("n1", reachable=False))
    assert (offer.serve, offer.slots) == (None, 0)
    assert overlay.handle(Reached(NodeId("n1"), ("n1:1",))) == [
        Send(NodeId("n1"), Serve(serve=0, slots=3, addresses=("n1:1",)))
    ]
    assert overlay.handle(Reached(NodeId("n1"), ("n1:1",))) == []
    assert overlay.handle(Reached(NodeId("n1"), ())) == []
    assert overlay.handle(Reached(NodeId("n9"), ("n9:1",))) == []


def test_a_users_number_of_children_is_taken_as_it_is() -> None:
    overlay = Overlay()
    assert [offered(overlay.join(f"n{n}", n)).slots for n in (2, 5)] == [2, 5]


def test_an_orphan_is_answered_with_candidates_but_those_it_has_tried() -> None:
    overlay = Overlay()
    overlay.chain()
    overlay.join("n3")
    overlay.attach("n3", "n1", S0)
    first = names(candidates(overlay.lose("n3", "n1")))
    assert first
    second = names(candidates(overlay.lose("n3", None, tried=first)))
    assert not set(first) & set(second)


def test_an_orphan_without_a_place_is_told_when_to_ask_again() -> None:
    """Also where the server proxy itself has refused it: its slot is free for others meanwhile."""
    overlay = Overlay()
    overlay.join("n1")
    overlay.attach("n1", ROOT)
    answer = candidates(overlay.lose("n1", ROOT, tried=[ROOT]))
    assert (names(answer), answer.retry_after) == ([], ASK_AGAIN)
    assert overlay.trees.moving_to(NodeId("n1"), S0) is None
    assert names(candidates(overlay.lose("n1", None))) == [ROOT]
    assert overlay.core.stats.parents_lost == {"closed": 2}


def test_who_has_lost_its_parent_has_none_whomever_the_trees_have() -> None:
    overlay = Overlay()
    overlay.chain()
    overlay.lose("n2", "stranger")
    assert overlay.parent("n2") is None
    overlay.attach("n2", "n1", S0)
    overlay.lose("n2", None)
    assert overlay.parent("n2") is None


def test_a_node_whose_control_link_broke_is_forgotten_when_a_child_says_so_too() -> None:
    overlay = Overlay()
    overlay.chain()
    assert overlay.handle(ControlLost(NodeId("n1"))) == []
    commands = overlay.lose("n2", "n1", tried=["n1"])
    assert Forgotten(NodeId("n1")) in commands
    assert names(candidates(commands)) == [ROOT]
    assert list(overlay.core.members) == list(overlay.trees.nodes()) == ["n2"]


def test_a_node_whose_control_link_broke_is_forgotten_when_its_parent_says_so_too() -> None:
    overlay = Overlay()
    overlay.chain()
    overlay.handle(ControlLost(NodeId("n2")))
    lost = ChildLost(stripe=S0, child="n2", reason="closed")
    assert overlay.told("n1", lost) == [Forgotten(NodeId("n2"))]
    assert overlay.told("n1", lost) == []
    overlay.handle(ControlLost(NodeId("n1")))
    assert overlay.core.root_child_lost(S0, NodeId("n1")) == [Forgotten(NodeId("n1"))]


def test_only_its_parent_can_say_that_a_child_is_gone() -> None:
    overlay = Overlay()
    overlay.chain()
    overlay.handle(ControlLost(NodeId("n1")))
    assert overlay.told("n2", ChildLost(stripe=S0, child="n1", reason="closed")) == []
    assert overlay.parent("n1") == ROOT


def test_a_child_with_a_control_link_only_loses_its_parent() -> None:
    overlay = Overlay()
    overlay.chain()
    overlay.told("n1", ChildLost(stripe=S0, child="n2", reason="silent"))
    assert (overlay.parent("n2"), overlay.parent("n2", S1)) == (None, ROOT)


def test_who_stays_away_is_forgotten_at_the_deadline_that_was_told() -> None:
    """Whatever the time is, 0 among them, and however floating point rounds."""
    for at in (0.0, 0.1, 19.65, 1e6 + 0.7):
        overlay = Overlay()
        overlay.now = at
        overlay.join("n1")
        overlay.handle(ControlLost(NodeId("n1")))
        overlay.expire(at + GRACE / 2)
        assert list(overlay.core.members) == ["n1"]
        while (due := overlay.core.next_deadline()) is not None and due < at + GRACE:
            overlay.expire(due)
        if due is not None:
            overlay.expire(due)
        assert list(overlay.core.members) == []
        overlay.expire(at + 3 * GRACE)
        assert overlay.core.next_deadline() is None


def rejoined(name: str, *states: StripeState, reachable: bool = True) -> Rejoined:
    addresses = (f"{name}:1",) if reachable else ()
    return Rejoined(node=NodeId(name), addresses=addresses, max_children=None, stripes=states)


def test_who_comes_back_in_time_keeps_its_place() -> None:
    """Also if the dial-back is late this time: children keep the parent that they have."""
    for reachable in (True, False):
        overlay = Overlay()
        overlay.chain()
        overlay.handle(ControlLost(NodeId("n1")))
        states = [StripeState(stripe, stripe == 0, ROOT, ("n2",), 5) for stripe in STRIPES]
        offer = offered(overlay.handle(rejoined("n1", *states, reachable=reachable)))
        assert (offer.serve, offer.slots, offer.addresses) == (0, 3, ("n1:1",))
        assert offer.parents == ()
        assert overlay.parent("n2") == "n1"
        overlay.expire(100.0)
        assert list(overlay.core.members) == ["n1", "n2"]


def test_who_comes_back_too_late_is_taken_as_it_hangs() -> None:
    """The child's word about its parent wins; what it serves, it goes on to serve."""
    overlay = Overlay()
    overlay.chain()
    overlay.attach("n2", "n1", S1)
    overlay.handle(ControlLost(NodeId("n2")))
    overlay.expire(overlay.now + GRACE)
    assert list(overlay.core.members) == ["n1"]
    states = (StripeState(S0, True, "n1", (), 5), StripeState(S1, False, "n1", (), 5))
    assert offered(overlay.handle(rejoined("n2", *states))).serve == 0
    assert [overlay.parent("n2", stripe) for stripe in STRIPES] == ["n1", "n1"]


def test_who_is_away_is_no_candidate() -> None:
    overlay = Overlay()
    overlay.chain()
    overlay.join("n3")
    overlay.attach("n3", "n1", S0)
    overlay.attach("n3", "n2", S1)
    overlay.handle(ControlLost(NodeId("n1")))
    assert "n1" not in names(candidates(overlay.lose("n3", None)))
    offer = offered(overlay.join("n4"))
    assert "n1" not in [c.node for one in offer.parents for c in one.candidates]


def test_who_leaves_is_forgotten_at_once() -> None:
    overlay = Overlay()
    overlay.chain()
    assert overlay.told("n1", Leave()) == [Forgotten(NodeId("n1"))]
    assert overlay.told("n1", Leave()) == []
    assert overlay.handle(ControlLost(NodeId("n1"))) == []
    assert overlay.parent("n2") is None


def test_reports_that_cannot_be_true_change_nothing() -> None:
    overlay = Overlay()
    overlay.chain()
    for stripe in (S0, Stripe(7)):
        for parent in ("n2", "n1"):
            assert overlay.told("n1", AttachedReport(stripe=stripe, parent=parent, first=0)) == []
    assert overlay.told("n2", DetachedReport(stripe=S0, parent="stranger")) == []
    assert overlay.told("n2", ChildLost(stripe=S0, child="stranger", reason="closed")) == []
    assert overlay.told("stranger", Leave()) == []
    assert (overlay.parent("n1"), overlay.parent("n2")) == (ROOT, "n1")


def test_reports_say_once_more_how_a_node_hangs() -> None:
    """Whatever report was lost before, the next one puts the trees right."""
    overlay = Overlay()
    overlay.chain()
    overlay.told("n2", DetachedReport(stripe=S0, parent="n1"))
    overlay.told("n2", report((S0, "n1"), (S1, None), (Stripe(9), "n1")))
    assert (overlay.parent("n2"), overlay.parent("n2", S1)) == ("n1", ROOT)
    member = overlay.core.members[NodeId("n2")]
    assert (member.delay, member.players, member.delivered, member.lost) == (0.5, 2, 7, 3)


def test_the_server_proxy_believes_its_own_eyes() -> None:
    overlay = Overlay()
    overlay.join("n1")
    overlay.core.root_child_taken(S0, NodeId("n1"))
    assert overlay.parent("n1") == ROOT
    overlay.core.root_child_lost(S0, NodeId("n1"))
    assert overlay.parent("n1") is None
    assert overlay.core.root_child_lost(S0, NodeId("stranger")) == []
    assert overlay.core.root_child_taken(S0, NodeId("stranger")) == []


def test_a_move_that_the_trees_owe_is_asked_for_a_few_times_then_planned_anew() -> None:
    overlay = Overlay()
    overlay.chain()
    overlay.attach("n2", ROOT, S0)
    asked = 0
    while asked <= MAX_ASKED:
        due = overlay.core.next_deadline()
        assert due is not None
        redirects = [
            one.message
            for one in overlay.expire(due)
            if isinstance(one, Send) and isinstance(one.message, Redirect)
        ]
        if not redirects:
            break
        asked += 1
        assert all(one.parent == ROOT and one.targets for one in redirects)
    assert asked == MAX_ASKED


def test_who_waits_for_another_to_move_is_asked_at_its_report() -> None:
    """n5 goes up from n3 to n1, and n2 under n5."""
    overlay = Overlay()
    first, second = (ROOT, "n1", "n1", "n3", "n3"), ("n2", ROOT, "n4", "n2", "n4")
    names = [f"n{number}" for number in range(1, 6)]
    for name in names:
        overlay.join(name)
    for name, *parents in zip(names, first, second, strict=True):
        for stripe, parent in zip(STRIPES, parents, strict=True):
            overlay.attach(name, parent, stripe)
    for name, target in (("n5", "n1"), ("n2", "n5")):
        others = [node for node in (ROOT, *overlay.trees.nodes()) if node != target]
        assert overlay.trees.place(NodeId(name), S0, avoid=others) is not None
    assert redirected(overlay.expire(overlay.core.next_deadline() or 0.0)) == ["n5"]
    arrived = AttachedReport(stripe=S0, parent="n1", first=0, lost="n3")
    assert redirected(overlay.told("n5", arrived)) == ["n2"]


@pytest.mark.parametrize(("chosen", "told"), [(True, ["n1", "n3"]), (False, ["n3"])])
def test_whose_place_a_node_fills_its_new_parent_is_told_first(
    monkeypatch: pytest.MonkeyPatch, chosen: bool, told: list[str]
) -> None:
    """Where the child is not for the parent to decide: nobody else can say so."""
    overlay = Overlay()
    overlay.chain()
    overlay.join("n3")
    overlay.attach("n3", "n2")
    parent = Candidate(NodeId("n1"), 2, NodeId("n2"), chosen=chosen)
    move = Move(NodeId("n3"), NodeId("n2"), Placement(S0, (parent,), shared=False))
    monkeypatch.setattr(overlay.trees, "remedies", lambda: [move])
    due = overlay.expire(overlay.core.next_deadline() or 0.0)
    sent = [c for c in due if isinstance(c, Send) and not isinstance(c.message, Standby)]
    assert [one.node for one in sent] == told
    if chosen:
        assert sent[0].message == MakeWay(stripe=S0, node="n3", child="n2")


def redirected(commands: Sequence[Command]) -> list[str]:
    sent = [one for one in commands if isinstance(one, Send)]
    return [one.node for one in sent if isinstance(one.message, Redirect)]


class Overlays(RuleBasedStateMachine):
    """Nodes join, die, lose links and control links; then all is quiet, and everybody has all."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(away_grace=GRACE)

    def some(self, data: st.DataObject, *, control_up: bool | None = None) -> NodeId | None:
        found = sorted(
            name
            for name, node in self.model.nodes.items()
            if control_up is None or node.control_up == control_up
        )
        return data.draw(st.sampled_from(found)) if found else None

    @initialize(count=st.integers(3, 15), settled=st.booleans())
    def begin(self, *, count: int, settled: bool) -> None:
        for _ in range(count):
            self.model.join(None)
        if settled:
            self.model.wait(3)

    @precondition(lambda self: len(self.model.nodes) < 20)
    @rule(wanted=st.lists(st.sampled_from([None, None, 2, 3, 4]), min_size=1, max_size=3))
    def join(self, wanted: list[int | None]) -> None:
        for max_children in wanted:
            self.model.join(max_children)

    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        if (name := self.some(data)) is not None:
            self.model.die(name)

    @rule(data=st.data())
    def lose_control(self, data: st.DataObject) -> None:
        if (name := self.some(data, control_up=True)) is not None:
            self.model.lose_control(name)

    @rule(data=st.data())
    def rejoin(self, data: st.DataObject) -> None:
        if (name := self.some(data, control_up=False)) is not None:
            self.model.rejoin(name)

    @rule(data=st.data(), stripe=st.sampled_from(STRIPES))
    def cut(self, data: st.DataObject, stripe: Stripe) -> None:
        if (name := self.some(data)) is not None:
            self.model.cut(name, stripe)

    @rule(picks=st.lists(st.integers(0, 30), max_size=12))
    def something_happens(self, picks: list[int]) -> None:
        for pick in picks:
            if actions := self.model.actions():
                actions[pick % len(actions)]()

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        self.model.wait(seconds)

    @invariant()
    def holds(self) -> None:
        self.model.trees.check(settled=False)

    def teardown(self) -> None:
        model = self.model
        for name, node in model.nodes.items():
            if not node.control_up:
                model.rejoin(name)
        model.wait(30)
        assert not model.homeless(), model.describe()
        alive = set(model.nodes)
        assert set(model.membership.members) == set(model.trees.nodes()) == alive
        for name, node in model.nodes.items():
            for stripe in STRIPES:
                assert model.trees.parent(name, stripe) == node.search.parent(stripe)
        asked = model.asked
        model.wait(10)
        assert model.asked - asked <= 20, "nodes are sent back and forth"


TestOverlays = Overlays.TestCase
TestOverlays.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)

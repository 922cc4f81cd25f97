"""The membership of a channel with `join: redirect`."""

from common.fields import Candidate
from common.ids import ROOT, NodeId, Stripe
from common.messages import (
    AttachedReport,
    Candidates,
    ChildLost,
    FromNode,
    Leave,
    ParentLost,
    Redirect,
    Serve,
    Standby,
)
from serverproxy.core.members import Command, Event, Joined, MakeOffer, Send, Told
from serverproxy.core.membership import Membership
from serverproxy.core.redirection import RedirectMembership
from serverproxy.core.tree import Trees

S0 = Stripe(0)
GRACE = 10.0
AT_ROOT = Candidate(ROOT, (), 0.0, available=True)


class Overlay:
    def __init__(self, *, stripes: int = 1, repair_slots: int = 1) -> None:
        self.trees = Trees(stripes=stripes, repair_slots=repair_slots, follow=True)
        self.core: Membership = RedirectMembership(self.trees, stripes=stripes, away_grace=GRACE)
        self.now = 0.0

    def handle(self, event: Event) -> list[Command]:
        commands = self.core.handle(event, self.now)
        self.trees.check(settled=False)
        return commands

    def join(self, name: str, max_children: int | None = None) -> MakeOffer:
        event = Joined(node=NodeId(name), addresses=(f"{name}:1",), max_children=max_children)
        (offer,) = self.handle(event)
        assert isinstance(offer, MakeOffer)
        return offer

    def told(self, name: str, message: FromNode) -> list[Command]:
        return self.handle(Told(NodeId(name), message))

    def attach(self, name: str, parent: str, stripe: Stripe = S0) -> None:
        self.told(name, AttachedReport(stripe=stripe, parent=parent, first=0))

    def lose(self, name: str, parent: str | None, *tried: str) -> Candidates:
        lost = ParentLost(stripe=S0, parent=parent, reason="closed", newest=0, tried=tried)
        (command,) = self.told(name, lost)
        assert isinstance(command, Send)
        assert isinstance(command.message, Candidates)
        return command.message

    def settle(self, seconds: float) -> list[Command]:
        commands, end = list[Command](), self.now + seconds
        while (due := self.core.next_deadline()) is not None and due <= end:
            self.now = due
            commands += self.core.expire(due)
        self.now = end
        return commands


def test_a_newcomer_is_sent_to_the_server_proxy_in_every_stripe_whatever_is_there() -> None:
    overlay = Overlay(stripes=2)
    for name in "abcd":
        offer = overlay.join(name)
        parents = [(one.stripe, one.candidates) for one in offer.parents]
        assert parents == [(0, (AT_ROOT,)), (1, (AT_ROOT,))]
    assert {overlay.trees.serves(NodeId(name)) for name in "abcd"} == {0, 1}


def test_nothing_is_reserved_and_nobody_refused() -> None:
    overlay = Overlay()
    overlay.join("a", 0)
    overlay.attach("a", ROOT)
    overlay.join("b", 0)
    assert overlay.trees.moving_to(NodeId("b"), S0) is None
    overlay.attach("b", "a")
    assert overlay.core.stats.joins == {"ok": 2, "full": 0}


def test_a_join_counts_when_it_is_known_what_it_was() -> None:
    """Placed in every stripe; sent away by everybody, which the player is told as 453; neither."""
    overlay = Overlay(stripes=2, repair_slots=0)
    overlay.join("a", 0)
    overlay.attach("a", ROOT)
    assert overlay.core.stats.joins == {"ok": 0, "full": 0}
    overlay.attach("a", ROOT, Stripe(1))
    overlay.attach("a", ROOT, Stripe(1))
    assert overlay.core.stats.joins == {"ok": 1, "full": 0}
    overlay.join("b", 0)
    overlay.lose("b", None, ROOT)
    overlay.lose("b", None, ROOT)
    overlay.join("c", 0)
    for name in "abc":
        overlay.told(name, Leave())
    assert overlay.core.stats.joins == {"ok": 1, "full": 1}


def test_who_finds_a_place_in_the_end_has_joined() -> None:
    overlay = Overlay(repair_slots=0)
    overlay.join("a", 0)
    overlay.lose("a", None, ROOT)
    overlay.attach("a", ROOT)
    overlay.lose("a", ROOT, ROOT)
    overlay.told("a", Leave())
    assert overlay.core.stats.joins == {"ok": 1, "full": 0}


def test_who_lost_its_parent_begins_at_the_server_proxy_and_asks_the_directory_then() -> None:
    overlay = Overlay()
    for name, parent in (("a", ROOT), ("b", "a"), ("c", "b")):
        overlay.join(name)
        overlay.attach(name, parent)
    assert overlay.lose("c", "b", "b").parents.candidates == (AT_ROOT,)
    placed = overlay.lose("c", "b", "b", ROOT).parents.candidates
    assert [one.node for one in placed] == ["a"]


def test_who_was_everywhere_is_told_to_ask_again() -> None:
    overlay = Overlay(repair_slots=0)
    overlay.join("a", 0)
    overlay.attach("a", ROOT)
    overlay.join("b", 0)
    assert overlay.lose("b", None, ROOT).parents.candidates == ()


def test_the_trees_follow_a_place_that_was_taken() -> None:
    """The parent sends the child away by itself: no move of the server proxy's gets in between."""
    overlay = Overlay()
    for name, parent in (("a", ROOT), ("b", "a"), ("c", "a")):
        overlay.join(name, 2)
        overlay.attach(name, parent)
    overlay.join("d", 4)
    overlay.attach("d", "a")
    assert overlay.trees.excess(NodeId("a")) == 1
    assert overlay.trees.moving_to(NodeId("b"), S0) is None
    overlay.attach("b", "d")
    overlay.trees.check()
    assert overlay.settle(4 * GRACE) == []


def test_no_move_lowers_a_tree() -> None:
    overlay, above = Overlay(), str(ROOT)
    for name in "abcdefgh":
        overlay.join(name)
        overlay.attach(name, above)
        above = name
    assert overlay.trees.tree_depth(S0) == 8
    assert overlay.settle(4 * GRACE) == []


def test_an_excess_that_nobody_ends_is_ended_within_the_grace() -> None:
    overlay = Overlay()
    for name, parent in (("a", ROOT), ("b", "a"), ("c", "a"), ("d", "a")):
        overlay.join(name)
        overlay.attach(name, parent)
    assert overlay.settle(GRACE / 2 - 0.1) == []
    (command,) = overlay.settle(GRACE / 2)
    assert isinstance(command, Send)
    assert isinstance(command.message, Redirect)
    assert command.message.parent == "a"


def test_a_parent_may_say_that_a_child_is_gone() -> None:
    overlay = Overlay()
    for name, parent in (("a", ROOT), ("b", "a")):
        overlay.join(name)
        overlay.attach(name, parent)
    overlay.told("a", ChildLost(stripe=S0, child="b", reason="silent"))
    assert overlay.trees.parent(NodeId("b"), S0) is None


def test_no_standby_is_named_where_a_directory_would() -> None:
    """Of two siblings the second would get another one than the first."""
    for kind in (RedirectMembership, Membership):
        overlay = Overlay()
        overlay.core = kind(overlay.trees, stripes=1, away_grace=GRACE)
        for name, parent in (("a", ROOT), ("b", "a"), ("c", "a"), ("d", "b"), ("e", "b")):
            overlay.handle(Joined(node=NodeId(name), addresses=(f"{name}:1",), max_children=None))
            overlay.attach(name, parent)
        sent = [one.message for one in overlay.settle(2 * GRACE) if isinstance(one, Send)]
        named = any(isinstance(message, Standby) for message in sent)
        assert named == (kind is Membership)


def test_what_is_illegal_since_slots_are_gone_waits_as_long_as_anything_else() -> None:
    """The nodes may end it by themselves within the grace."""
    overlay = Overlay()
    for name, parent in (("a", ROOT), ("b", "a"), ("c", "a")):
        overlay.join(name)
        overlay.attach(name, parent)
    lost = ParentLost(stripe=S0, parent="a", reason="slow", newest=0, tried=("a",))
    commands = overlay.told("b", lost)
    assert any(isinstance(c, Send) and isinstance(c.message, Serve) for c in commands)
    assert overlay.core.next_deadline() == GRACE / 2

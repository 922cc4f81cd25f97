"""Who is sent away goes, or is shut out (Z40)."""

from collections.abc import Sequence

from common.fields import KICKED, STAYS_AWAY, StripeReport, StripeState
from common.ids import ROOT, NodeId, Stripe
from common.messages import AttachedReport, Closed, Dismiss, Leave, Report
from serverproxy.core.members import Command, Event, Forgotten, Joined, Refuse, Rejoined, Send, Told
from serverproxy.core.membership import Membership
from serverproxy.core.sentaway import GOES_WITHIN, MAX_SHUT_OUT
from serverproxy.core.tree import Trees

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
S0, S1 = STRIPES = Stripe(0), Stripe(1)
SENTENCE = "make room"
SHUT_OUT = Refuse(B, KICKED, SENTENCE, STAYS_AWAY)


class Channel:
    """a hangs under the server proxy, b under a, c under b."""

    def __init__(self) -> None:
        self.trees = Trees(stripes=2)
        self.core = Membership(self.trees, stripes=2, away_grace=10.0)
        above = ROOT
        for node in (A, B, C):
            self.handle(Joined(node=node, addresses=(f"{node}:1",), max_children=None))
            self.hangs(node, above)
            above = node

    def handle(self, event: Event, now: float = 0.0) -> list[Command]:
        commands = self.core.handle(event, now)
        self.trees.check(settled=False)
        return commands

    def hangs(self, node: NodeId, parent: NodeId) -> None:
        for stripe in STRIPES:
            report = AttachedReport(stripe=stripe, parent=parent, first=0)
            self.handle(Told(node, report))

    def report(self, node: NodeId, children: Sequence[NodeId]) -> list[Command]:
        stripes = tuple(StripeReport(s, None, 0.0, 0, 0, 0, tuple(children)) for s in STRIPES)
        message = Report(sent_us=0, delay=0.0, stripes=stripes, players=0, delivered=0, lost=0)
        return [
            one
            for one in self.handle(Told(node, message))
            if isinstance(one, Send) and isinstance(one.message, Dismiss)
        ]

    def late(self) -> list[Command]:
        """Send b away, and let the time pass that it has to go."""
        told = self.core.send_away(B, SENTENCE, 0.0)
        assert told == [Send(B, Closed(reason=KICKED, sentence=SENTENCE))]
        deadline = self.core.next_deadline()
        assert deadline is not None
        assert deadline <= GOES_WITHIN
        assert SHUT_OUT not in self.core.expire(GOES_WITHIN - 0.1)
        commands = self.core.expire(GOES_WITHIN)
        self.trees.check(settled=False)
        return commands


def test_who_does_not_go_is_refused_and_in_no_tree_any_more() -> None:
    channel = Channel()
    commands = channel.late()
    assert commands[:3] == [SHUT_OUT, Send(ROOT, Dismiss(node=B)), Forgotten(B)]
    assert B not in channel.core.members
    assert B not in channel.trees
    assert SHUT_OUT not in channel.core.expire(9 * GOES_WITHIN)


def test_who_goes_in_time_is_not_shut_out() -> None:
    channel = Channel()
    channel.core.send_away(B, SENTENCE, 0.0)
    assert channel.handle(Told(B, Leave())) == [Forgotten(B)]
    assert SHUT_OUT not in channel.core.expire(GOES_WITHIN)
    assert channel.report(A, [B]) == []


def test_the_time_to_go_begins_when_it_is_told() -> None:
    """However long ago anything was heard of the channel."""
    channel = Channel()
    channel.core.send_away(B, SENTENCE, 100.0)
    assert SHUT_OUT not in channel.core.expire(100.0 + GOES_WITHIN - 0.1)
    assert SHUT_OUT in channel.core.expire(100.0 + GOES_WITHIN)


def test_its_parents_are_told_to_end_its_links() -> None:
    channel = Channel()
    assert channel.report(A, [B]) == []
    channel.late()
    assert channel.report(A, [C]) == []
    assert channel.report(A, [C, B]) == [Send(A, Dismiss(node=B))]


def test_it_does_not_come_back_under_its_id() -> None:
    channel = Channel()
    channel.late()
    states = tuple(StripeState(s, False, A, (), 7) for s in STRIPES)
    back = Rejoined(node=B, addresses=("b:1",), max_children=None, stripes=states)
    assert channel.handle(back) == [SHUT_OUT]
    assert B not in channel.core.members


def test_who_still_hangs_under_it_has_no_parent() -> None:
    channel = Channel()
    channel.late()
    channel.hangs(C, B)
    assert [channel.trees.parent(C, stripe) for stripe in STRIPES] == [None, None]
    assert B not in channel.core.members


def test_who_moves_under_it_hangs_no_more_where_it_hung() -> None:
    channel = Channel()
    channel.late()
    channel.hangs(C, A)
    channel.hangs(C, B)
    assert [channel.trees.parent(C, stripe) for stripe in STRIPES] == [None, None]
    assert list(channel.trees.children(A, S0)) == []


def test_the_last_of_them_are_remembered() -> None:
    channel = Channel()
    channel.late()
    nodes = [NodeId(f"n{number}") for number in range(MAX_SHUT_OUT)]
    for node in nodes:
        event = Joined(node=node, addresses=(f"{node}:1",), max_children=None)
        channel.handle(event, GOES_WITHIN)
        channel.core.send_away(node, SENTENCE, GOES_WITHIN)
    channel.core.expire(2 * GOES_WITHIN)
    assert channel.report(A, [B, *nodes[:2]]) == [Send(A, Dismiss(node=n)) for n in nodes[:2]]

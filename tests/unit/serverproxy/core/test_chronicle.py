"""What has happened lately: joins, repairs, ends, each told once."""

from common.fields import LostReason
from common.ids import NodeId, Stripe
from common.messages import AttachedReport, ParentLost
from serverproxy.core.chronicle import REMEMBERED, Chronicle
from serverproxy.core.members import (
    ControlLost,
    Event,
    Forgotten,
    Reached,
    Refuse,
    Told,
    Unreached,
)

NODE = NodeId("n4")


class Watched:
    """A chronicle of a channel in which n4 hangs under `parent`."""

    def __init__(self, parent: str | None = "n2") -> None:
        self.chronicle = Chronicle()
        self.parent = None if parent is None else NodeId(parent)

    def attached(
        self, parent: str, lost: str | None = None, reason: LostReason | None = None
    ) -> None:
        report = AttachedReport(stripe=1, parent=parent, first=0, lost=lost, reason=reason)
        self.chronicle.event(Told(NODE, report), self._parent_of, 5)
        self.parent = NodeId(parent)

    def lost(self, parent: str | None, reason: LostReason = "closed") -> None:
        lost = ParentLost(stripe=1, parent=parent, reason=reason, newest=0, tried=())
        self.chronicle.event(Told(NODE, lost), self._parent_of, 5)
        self.parent = None

    def _parent_of(self, node: NodeId, stripe: Stripe) -> NodeId | None:
        assert (node, stripe) == (NODE, 1)
        return self.parent

    @property
    def told(self) -> list[tuple[str, str | None, str | None, str | None]]:
        found = self.chronicle.happenings
        assert [one.number for one in found] == list(range(1, len(found) + 1))
        return [(one.kind, one.before, one.parent, one.reason) for one in found]


def test_a_standby_that_takes_over_is_a_repair() -> None:
    watched = Watched()
    watched.attached("n3", lost="n2", reason="closed")
    assert watched.told == [("repaired", "n2", "n3", "closed")]


def test_an_orphan_is_told_and_so_is_its_new_parent() -> None:
    watched = Watched()
    watched.lost("n2", "silent")
    watched.lost("n2", "silent")  # it asks again
    watched.attached("n3")
    assert watched.told == [
        ("orphaned", "n2", None, "silent"),
        ("repaired", "n2", "n3", "silent"),
    ]


def test_a_move_is_told_where_nothing_broke() -> None:
    watched = Watched()
    watched.attached("n3")
    watched.attached("n3")
    assert watched.told == [("moved", "n2", "n3", None)]


def test_the_first_parent_of_a_newcomer_is_no_news() -> None:
    watched = Watched(parent=None)
    watched.lost(None, "refused")  # none of the candidates took it
    watched.attached("n3")
    assert watched.told == []


def test_coming_and_going() -> None:
    chronicle = Chronicle()
    events: list[Event] = [
        ControlLost(NODE),
        Reached(NODE, ()),
        Unreached(NODE),
    ]
    for event in events:
        chronicle.event(event, lambda _node, _stripe: None, 5)
    chronicle.commands([Refuse(NODE, "full", "no slot", 1.0), Forgotten(NODE)], 6)
    assert [(one.kind, one.node, one.at_us) for one in chronicle.happenings] == [
        ("away", "n4", 5),
        ("reached", "n4", 5),
        ("refused", "n4", 6),
        ("left", "n4", 6),
    ]


def test_who_left_as_an_orphan_is_forgotten() -> None:
    watched = Watched()
    watched.lost("n2")
    watched.chronicle.commands([Forgotten(NODE)], 6)
    watched.attached("n3")  # another node of that name
    assert [kind for kind, *_ in watched.told] == ["orphaned", "left"]


def test_only_the_last_ones_are_kept() -> None:
    chronicle = Chronicle()
    for _ in range(REMEMBERED + 5):
        chronicle.add("source_up", 5)
    numbers = [one.number for one in chronicle.happenings]
    assert numbers == list(range(6, REMEMBERED + 6))


def test_happenings_are_counted_by_kind_beyond_those_that_are_kept() -> None:
    one = Chronicle()
    for number in range(REMEMBERED + 5):
        one.add("repaired", number)
    one.add("moved", 0)
    assert (one.counts["repaired"], one.counts["moved"], one.counts["left"]) == (65, 1, 0)

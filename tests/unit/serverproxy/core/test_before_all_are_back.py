"""After a restart of the server proxy the trees seem to owe what they do not (Z33)."""

from common.fields import StripeState
from common.ids import ROOT, NodeId, Stripe
from common.messages import Serve
from serverproxy.core.members import Command, Joined, Rejoined, Send
from serverproxy.core.membership import SETTLE_EVERY, Membership
from serverproxy.core.tree import Trees

GRACE = 10.0


def back(core: Membership, name: str, serves: int, parents: tuple[str, str]) -> list[Command]:
    """Let a node come back under its parents, without children."""
    states = tuple(
        StripeState(stripe, stripe == serves, parent, (), 7)
        for stripe, parent in enumerate(parents)
    )
    event = Rejoined(node=NodeId(name), addresses=(f"{name}:1",), max_children=None, stripes=states)
    return core.handle(event, 0.0)


def told_to_serve(commands: list[Command]) -> list[NodeId]:
    return [
        one.node for one in commands if isinstance(one, Send) and isinstance(one.message, Serve)
    ]


def test_nobody_serves_another_stripe_because_others_are_not_back_yet() -> None:
    """Of stripe 0 only the names of a and c are known, which have slots there."""
    core = Membership(Trees(stripes=2), stripes=2, away_grace=GRACE)
    back(core, "b", 1, ("a", ROOT))
    back(core, "d", 1, ("c", "b"))
    back(core, "f", 1, ("c", "d"))
    assert told_to_serve(core.expire(2 * SETTLE_EVERY)) == []
    assert told_to_serve(core.expire(GRACE - 0.1)) == []
    assert core.trees.serves(NodeId("f")) == Stripe(1)
    assert told_to_serve(core.expire(GRACE + 0.1)) == [NodeId("f")]


def test_who_was_forgotten_and_comes_back_keeps_nobody_waiting() -> None:
    """The id is of this process: nobody else is about to come back."""
    core = Membership(Trees(stripes=2), stripes=2, away_grace=GRACE)
    core.handle(Joined(node=NodeId("a"), addresses=("a:1",), max_children=None), 0.0)
    due = core.next_deadline()
    forgotten = Rejoined(
        node=NodeId("b"), addresses=("b:1",), max_children=None, stripes=(), restarted=False
    )
    core.handle(forgotten, 0.5)
    assert core.next_deadline() == due == SETTLE_EVERY
    back(core, "c", 1, ("a", ROOT))
    assert core.next_deadline() == GRACE

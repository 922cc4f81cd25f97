"""The nodes of one channel: who may join, where each hangs, what each is told (Zebra 2.3 to 2.5).

Rules
-----
1. Parents decide, reports follow: the trees change when a node says that it hangs somewhere. An
   offer leaves a reservation, so that two newcomers are not promised the same slot.
2. Who comes back is taken as it says that it stands; what is owed is looked at when the others
   have had `away_grace` seconds to come back too (`roster`).
3. Only the children of a lost node come here; their subtrees stay whole.
4. An orphan is never refused: without a place it is told when to ask again.
"""

from collections.abc import Iterable

from common.fields import StripeCandidates
from common.ids import ROOT, NodeId, Stripe
from common.messages import (
    AttachedReport,
    Candidates,
    ChildLost,
    DetachedReport,
    FromNode,
    Leave,
    MakeWay,
    ParentLost,
    Redirect,
    Report,
)
from serverproxy.core.asking import Asking
from serverproxy.core.members import (
    Command,
    ControlLost,
    Event,
    Joined,
    MakeOffer,
    Member,
    Reached,
    Refuse,
    Rejoined,
    Send,
    Told,
    Unreached,
    slots_of,
)
from serverproxy.core.sentaway import SentAway
from serverproxy.core.tree import Move, Placement, ServeNow, Trees

ASK_AGAIN = 0.3
"""Seconds after which an orphan without a place asks again."""
SETTLE_EVERY = 1.0
"""Seconds between two looks at what the trees owe: excess, shared, repair slots."""
SETTLE_SOON = 0.1
"""The same where a node has lost slots: its children are behind already."""


class Membership(SentAway):
    """All nodes of one channel and their trees."""

    settle_every = SETTLE_EVERY
    settle_soon: float | None = SETTLE_SOON
    names_standbys = True

    def __init__(self, trees: Trees, *, stripes: int, away_grace: float) -> None:
        """Start with nobody."""
        super().__init__(trees, stripes=stripes, grace=away_grace)
        self._settle_at: float | None = None
        self._rebuilt_at = float("-inf")
        self._asking = Asking(trees, self._redirect)

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take an event; return what is to be done."""
        self._now = now
        self.suspects.calm_down(now)
        if self._settle_at is None:
            self._settle_at = now + self.settle_every
        match event:
            case Joined():
                return self._join(event)
            case Rejoined():
                return self._rejoin(event)
            case Told(node, message):
                return self._told(node, message) if node in self.members else []
            case ControlLost(node):
                if node in self.members:
                    self.went_away(node, now)
                return []
            case Reached(node, addresses):
                return self._reached(node, addresses)
            case Unreached(node):
                return self._unreached(node)

    def next_deadline(self) -> float | None:
        """Return when `expire` has something to do."""
        times = (self.next_forgotten(self._now), self.next_late(), self._settle_at)
        return min((time for time in times if time is not None), default=None)

    def expire(self, now: float) -> list[Command]:
        """Forget who stays away; settle what the trees owe."""
        self._now = now
        self.suspects.calm_down(now)
        commands = self.shut_out(now)
        first = self.next_forgotten(now)
        for node in list(self._away) if first is not None and now >= first else ():
            due = self.forgotten_at(node) if node in self.members else None
            self._away_seen = None
            if due is not None and now >= due:
                commands += self.forget(node)
        if self._settle_at is not None and now >= self._settle_at:
            commands += self._settle()
            self._settle_at = now + self.settle_every if self.members else None
        return commands

    # --- joining

    def _join(self, event: Joined) -> list[Command]:
        node = event.node
        slots, hard = slots_of(event.max_children, event.addresses, self._stripes)
        self.trees.add(node, slots=slots, hard_limit=hard)
        placements = self._first_places(node)
        if placements is None:
            self.trees.remove(node)
            if event.dialling:
                return []
            self.stats.joins["full"] += 1
            return [Refuse(node, "full", "no slot is free for you now", 2.0)]
        self.members[node] = Member(event.addresses, event.max_children)
        self._capacity.begin(node, slots, hard_limit=hard)
        self.placed(node)
        parents = tuple(self.candidates(s, placements[s]) for s in sorted(placements))
        return [
            MakeOffer(node, self.trees.serves(node), slots, event.addresses, parents),
            *self._placed(node, placements.values()),
        ]

    def placed(self, node: NodeId) -> None:
        """Note that a newcomer has its place: count its join."""
        self.stats.joins["ok"] += 1

    def _first_places(self, node: NodeId) -> dict[Stripe, Placement] | None:
        """Return where a newcomer may ask, in each stripe; None: nowhere."""
        return self.trees.join(node)

    def _rejoin(self, event: Rejoined) -> list[Command]:
        node = event.node
        if refusal := self.refusal(node):
            return refusal
        if event.restarted and self.is_news(node) and self._rebuilt_at == float("-inf"):
            # What the trees seem to owe before all are back is not to be done.
            self._rebuilt_at = self._settle_at = self._now + self._grace
        slots = self.rejoined(event, self._now)
        parents, commands = list[StripeCandidates](), list[Command]()
        for stripe in map(Stripe, range(self._stripes)):
            if self.trees.parent(node, stripe) is None:
                for one in self._candidates_for(node, stripe, set()):
                    if isinstance(one, Send) and isinstance(one.message, Candidates):
                        parents.append(one.message.parents)
                    else:
                        commands.append(one)
        member = self.members[node]
        for stripe in [s for s in member.inherits if self.trees.parent(node, s) == ROOT]:
            member.inherits.discard(stripe)
            member.standbys[stripe] = None  # a child of the server proxy needs none
        for stripe, standby in member.standbys.items():
            commands.append(self.standby(node, stripe, standby))
        addresses, serve = self.members[node].addresses, self.trees.serves(node)
        return [MakeOffer(node, serve, slots, addresses, tuple(parents)), *commands]

    def _reached(self, node: NodeId, addresses: tuple[str, ...]) -> list[Command]:
        member = self.members.get(node)
        if member is None or member.addresses == addresses or not addresses:
            return []
        self.reached(node, addresses)
        return [self.serve(node)]

    def _unreached(self, node: NodeId) -> list[Command]:
        return [self.serve(node)] if self.unreached(node) else []

    # --- what nodes say

    def _told(self, node: NodeId, message: FromNode) -> list[Command]:
        if isinstance(message, Report):
            return self._report(node, message)
        if isinstance(message, Leave):
            return self.forget(node)
        if message.stripe >= self._stripes:
            return []
        slow = self.slow_parent(node, message, self._now)
        commands = self._hangs(node, Stripe(message.stripe), message)
        if slow is not None:
            commands += self._have_other_slots(self._capacity.left_as_slow(slow, self._now))
        return commands

    def _hangs(
        self,
        node: NodeId,
        stripe: Stripe,
        message: AttachedReport | DetachedReport | ParentLost | ChildLost,
    ) -> list[Command]:
        match message:
            case AttachedReport(parent=parent, lost=lost, reason=reason):
                hung = self.hung_under(node, stripe, lost)
                self.attached(node, stripe, NodeId(parent), self._now)
                commands = self.lost(node, lost, reason, self._now, hung=hung)
                return commands + self._asking.arrived(node, stripe)
            case DetachedReport(parent=parent):
                if self.trees.parent(node, stripe) == parent:
                    self.detached(node, stripe)
                return []
            case ParentLost():
                return self._parent_lost(node, message)
            case ChildLost(child=child):
                return self.child_lost(node, stripe, NodeId(child))

    def _parent_lost(self, node: NodeId, message: ParentLost) -> list[Command]:
        stripe = Stripe(message.stripe)
        hung = self.hung_under(node, stripe, message.parent)
        # Whomever the trees have: it has no parent now.
        self.detached(node, stripe)
        commands = self.lost(node, message.parent, message.reason, self._now, hung=hung)
        return commands + self._candidates_for(node, stripe, set(map(NodeId, message.tried)))

    def _have_other_slots(self, nodes: Iterable[NodeId]) -> list[Command]:
        """Tell nodes what slots they have now; what the trees owe for it is looked at soon."""
        commands: list[Command] = [self.serve(node) for node in nodes]
        if commands and self._settle_at is not None and self.settle_soon is not None:
            soon = self._now + self.settle_soon
            # Not while the others have still to come back after a restart.
            if soon < self._settle_at <= self._now + self.settle_every:
                self._settle_at = soon
        return commands

    def _candidates_for(self, node: NodeId, stripe: Stripe, tried: set[NodeId]) -> list[Command]:
        """Answer a node that has no parent."""
        if (placement := self.trees.place(node, stripe, avoid=tried)) is None:
            nobody = StripeCandidates(stripe, ())
            return [Send(node, Candidates(parents=nobody, retry_after=ASK_AGAIN))]
        parents = self.candidates(stripe, placement)
        return [Send(node, Candidates(parents=parents)), *self._placed(node, [placement])]

    def root_child_taken(self, stripe: Stripe, child: NodeId) -> list[Command]:
        """Take the server proxy's own word that it feeds a node."""
        if child not in self.members:
            return []
        self.attached(child, stripe, ROOT, self._now)
        return self._asking.arrived(child, stripe)

    def _report(self, node: NodeId, report: Report) -> list[Command]:
        member = self.members[node]
        member.delay, member.players = report.delay, report.players
        member.delivered, member.lost = report.delivered, report.lost
        self.suspects.trust(node)
        self.named(report.stripes, self._now)
        for one in report.stripes:
            stripe = Stripe(one.stripe)
            if stripe < self._stripes and one.parent is not None:
                self.attached(node, stripe, NodeId(one.parent), self._now)
        away = self.dismissals(node, report.stripes)
        return away + self._have_other_slots(self._capacity.reported(node, report, self._now))

    # --- what the operator says

    def is_drained(self, node: NodeId) -> bool:
        """Whether the operator wants a node to have no children."""
        return self._capacity.is_drained(node)

    def drain(self, node: NodeId, *, drained: bool) -> list[Command]:
        """Have a node's children moved away, and none sent to it; or give it its slots again."""
        return self._have_other_slots(self._capacity.drain(node, drained=drained))

    # --- inside

    def _placed(self, node: NodeId, placements: Iterable[Placement]) -> list[Command]:
        """Tell who serves another stripe from now on, to make room, and whose place is meant."""
        commands = list[Command]()
        for one in placements:
            commands += [] if one.serve is None else [self.serve(one.serve)]
            commands += _way(node, one)
        return commands

    def _settle(self) -> list[Command]:
        """Say what the trees owe; a move that does not happen is planned anew."""
        commands = self.standbys(self._now) if self.names_standbys else []
        due = self.trees.remedies()
        commands += [self.serve(one.node) for one in due if isinstance(one, ServeNow)]
        return commands + self._asking.ask(one for one in due if isinstance(one, Move))

    def _redirect(self, move: Move) -> list[Command]:
        """Ask a node to move; its new parent is told first whose place is meant, if it matters."""
        targets = self.candidates(move.stripe, move.placement).candidates
        redirect = Redirect(stripe=move.stripe, parent=move.source, targets=targets)
        return [*_way(move.node, move.placement), Send(move.node, redirect)]


def _way(node: NodeId, placement: Placement) -> list[Command]:
    """Tell the first parent whose place a node is to take, where that is not for it to decide."""
    to = placement.candidates[0]
    if not to.chosen or to.displaced is None:
        return []
    return [Send(to.parent, MakeWay(stripe=placement.stripe, node=node, child=to.displaced))]

"""Who is a member of a channel, who is away, who is known only by name (design 6).

Rules
-----
1. A node whose control link has ended is away: it is no candidate, but its links may live. It is
   forgotten when its parent or a child says so too, or after `grace` seconds in which nobody has
   spoken of it. The server proxy's own children need nobody who speaks for them; who says that it
   is one, and has no link there, is not believed.
2. After a restart of the server proxy nodes come back one by one. The child's word about its parent
   wins; a parent that is not back yet is a placeholder: away from the start, without slots to give.
   So the trees stand as they stood, whatever the order.
3. Whom a child has lost is forgotten if it is away, else suspected (`suspects`). One node is
   believed about `MOST_ACCUSED` parents a minute: nobody can have everybody suspected.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

from common.fields import LostReason, StripeReport, StripeState
from common.ids import ROOT, NodeId, Stripe
from common.messages import AttachedReport, FromNode, ParentLost, Serve
from serverproxy.core.capacity import Capacity
from serverproxy.core.members import (
    STILL_THERE,
    SUSPICIOUS,
    Command,
    Forgotten,
    Member,
    MembershipStats,
    Rejoined,
    Send,
    slots_of,
)
from serverproxy.core.suspects import Suspects
from serverproxy.core.tree import TreeError, Trees

LOOK_AT_AWAY = 0.5
"""Seconds between two looks at all who are away; between them nobody new is found to be due."""
MAX_PLACEHOLDERS = 1000
"""Parents that are known only by name; a report about one more has no parent."""


class Roster:
    """The nodes of one channel, and the trees that they hang in."""

    def __init__(self, trees: Trees, *, stripes: int, grace: float) -> None:
        """Start with nobody."""
        self.trees = trees
        self.members: dict[NodeId, Member] = {}
        self.stats = MembershipStats()
        self._stripes, self._grace = stripes, grace
        self._placeholders = 0
        self.suspects = Suspects(trees, grace=grace)
        self._away: dict[NodeId, None] = {}
        """Members without a control link; the longest away first."""
        self._away_seen: float | None = None
        """When they were last looked at; None: anew, somebody has come or gone."""
        self._away_due: float | None = None
        self.root_feeds: Callable[[NodeId, Stripe], bool] = lambda _node, _stripe: True
        """Whether the server proxy has a link that feeds a node: nodes may say so wrongly."""
        self._capacity = Capacity(trees, stripes)

    # --- who hangs where

    def attached(self, node: NodeId, stripe: Stripe, parent: NodeId, now: float) -> None:
        """Note what a node says of its parent; whom it feeds the server proxy knows better."""
        if parent == ROOT and not self.root_feeds(node, stripe):
            return
        before = self.trees.parent(node, stripe)
        if before == parent or (parent != ROOT and not self._named(parent, now)):
            return
        # Before: a parent above its slots would be expected to hand a child over.
        self._fit(parent, one_more=True)
        # What closes a loop is old news: the node will say where it hangs then.
        with suppress(TreeError):
            self.trees.attach(node, stripe, parent)
        self._fit(before, parent)

    def detached(self, node: NodeId, stripe: Stripe) -> None:
        """Note that a node has no parent in a stripe."""
        before = self.trees.parent(node, stripe)
        self.trees.detach(node, stripe)
        self._fit(before)

    def rejoined(self, event: Rejoined, now: float) -> int:
        """Take a node back as it says that it stands; return its slots."""
        node, known = event.node, self.members.get(event.node)
        # A dial-back that is late says nothing yet: what was reached before can be reached.
        addresses = event.addresses or event.reached
        if known is not None and not known.placeholder:
            addresses = addresses or known.addresses
        first, hard = slots_of(event.max_children, addresses, self._stripes)
        children = sum(len(state.children) for state in event.stripes)
        slots = self._capacity.begin(node, first, hard_limit=hard, children=children)
        hard = hard or not slots
        if known is None:
            self.trees.add(node, slots=slots, hard_limit=hard)
        else:
            self.trees.set_slots(node, slots, hard_limit=hard)
            self._placeholders -= known.placeholder
        if known is None or known.placeholder:
            self.members[node] = Member(addresses, event.max_children)
            self.members[node].inherits.update(map(Stripe, range(self._stripes)))
            self._serve_as_before(node, slots, event.stripes)
        else:
            known.away_since, known.addresses = None, addresses
            known.max_children = event.max_children
        if node in self._away:
            del self._away[node]
            self._away_seen = None
        self.trees.absent(node, absent=False)
        for state in event.stripes:
            if state.stripe < self._stripes:
                self._stands(node, Stripe(state.stripe), state.parent, now)
        self.suspects.trust(node)
        return slots

    def is_news(self, node: NodeId) -> bool:
        """Whether nothing but its name is known of a node that comes back."""
        known = self.members.get(node)
        return known is None or known.placeholder

    def _serve_as_before(self, node: NodeId, slots: int, states: Iterable[StripeState]) -> None:
        for state in states:
            if slots and state.interior and state.stripe < self._stripes:
                self.trees.serve(node, Stripe(state.stripe))

    def _stands(self, node: NodeId, stripe: Stripe, parent: str | None, now: float) -> None:
        if parent is None:
            self.detached(node, stripe)
        else:
            self.attached(node, stripe, NodeId(parent), now)

    # --- who is away

    def forget(self, node: NodeId) -> list[Command]:
        """Take a node out; its children are orphans from now on."""
        member = self.members.pop(node)
        above = [self.trees.parent(node, Stripe(stripe)) for stripe in range(self._stripes)]
        self.trees.remove(node)
        self.suspects.forget(node)
        if node in self._away:
            del self._away[node]
            self._away_seen = None
        self._capacity.forget(node)
        self._placeholders -= member.placeholder
        self._fit(*above)
        return [] if member.placeholder else [Forgotten(node)]

    def forgotten_at(self, node: NodeId) -> float | None:
        """Return when a node that is away is forgotten unless somebody speaks of it."""
        member = self.members[node]
        if member.away_since is None:
            return None
        stripes = map(Stripe, range(self._stripes))
        if any(self.trees.parent(node, s) == ROOT and self.root_feeds(node, s) for s in stripes):
            return None
        return max(member.away_since, member.named_at) + self._grace

    def next_forgotten(self, now: float) -> float | None:
        """Return when the first who is away is to be looked at again."""
        if self._away_seen is None or not self._away_seen <= now < self._away_seen + LOOK_AT_AWAY:
            times = (self.forgotten_at(node) for node in self._away)
            self._away_due = min((time for time in times if time is not None), default=None)
            self._away_seen = now
        return self._away_due

    def named(self, reports: Iterable[StripeReport], now: float) -> None:
        """Note of whom a node that is here says that they are its parents and children."""
        for one in reports:
            for name in (one.parent, *one.children):
                if name is not None and (member := self.members.get(NodeId(name))) is not None:
                    member.named_at = now

    def went_away(self, node: NodeId, now: float) -> None:
        """Note that a node's control link has ended."""
        self.members[node].away_since = now
        self._away[node] = self._away_seen = None
        self.trees.absent(node, absent=True)

    def hung_under(self, node: NodeId, stripe: Stripe, parent: str | None) -> bool:
        """Whether a node had this parent, or was on its way there: its report may come late."""
        return parent is not None and parent in (
            self.trees.parent(node, stripe),
            self.trees.moving_to(node, stripe),
        )

    def lost(
        self, node: NodeId, parent: str | None, reason: LostReason | None, now: float, *, hung: bool
    ) -> list[Command]:
        """Take a child's word about the parent that it had; who did not hang there is counted."""
        if reason is not None:
            self.stats.parents_lost[reason] = self.stats.parents_lost.get(reason, 0) + 1
        member = None if parent is None else self.members.get(NodeId(parent))
        if parent is None or member is None or not hung:
            return []
        away = member.away_since is not None
        gone = reason not in STILL_THERE if away else reason in SUSPICIOUS
        if not gone or not self.members[node].may_accuse(now):
            return []
        if away:
            return self.forget(NodeId(parent))
        self.suspects.suspect(NodeId(parent), now)
        return []

    def unreached(self, node: NodeId) -> bool:
        """Take the slots of a node that cannot be reached; one that has children evidently can."""
        if node not in self.members:
            return False
        if any(self.trees.children(node, Stripe(stripe)) for stripe in range(self._stripes)):
            return False
        self.reached(node, ())
        return True

    def reached(self, node: NodeId, addresses: tuple[str, ...]) -> None:
        """Note where a node can be reached; nowhere: it has no slots."""
        member = self.members[node]
        member.addresses = addresses
        first, hard = slots_of(member.max_children, addresses, self._stripes)
        slots = self._capacity.begin(node, first, hard_limit=hard)
        self.trees.set_slots(node, slots, hard_limit=hard or not slots)

    def slow_parent(self, node: NodeId, message: FromNode, now: float) -> NodeId | None:
        """Return the parent that a node leaves as slow with this message, if it had that one."""
        if not isinstance(message, AttachedReport | ParentLost) or message.reason != "slow":
            return None
        lost = message.lost if isinstance(message, AttachedReport) else message.parent
        parent = self.trees.parent(node, Stripe(message.stripe))
        believed = parent == lost and self.members[node].may_accuse(now)
        return parent if believed else None

    def serve(self, node: NodeId) -> Send:
        """Tell a node what it serves now, and with how many slots."""
        member, trees = self.members[node], self.trees
        serve = Serve(serve=trees.serves(node), slots=trees.slots(node), addresses=member.addresses)
        return Send(node, serve)

    # --- what parents say of their children

    def child_lost(self, node: NodeId, stripe: Stripe, child: NodeId) -> list[Command]:
        """Take the word of a parent, or of the server proxy, that a child's link ended."""
        member = self.members.get(child)
        if member is None or self.trees.parent(child, stripe) != node:
            return []
        if member.away_since is not None:
            return self.forget(child)
        self.detached(child, stripe)
        return []

    def root_child_lost(self, stripe: Stripe, child: NodeId) -> list[Command]:
        """Take the server proxy's own word that a child's link ended."""
        return self.child_lost(ROOT, stripe, child)

    def root_child_left(self, stripe: Stripe, child: NodeId) -> None:
        """Note that the server proxy was left in good order: who is away cannot say so itself."""
        member = self.members.get(child)
        away = member is not None and member.away_since is not None
        if away and self.trees.parent(child, stripe) == ROOT:
            self.detached(child, stripe)
            self._away_seen = None

    # --- placeholders

    def _named(self, node: NodeId, now: float) -> bool:
        """Whether a parent is known; one that is not becomes a placeholder."""
        if node in self.members:
            return True
        if self._placeholders >= MAX_PLACEHOLDERS:
            return False
        self._placeholders += 1
        self.members[node] = Member((), 0, away_since=now, placeholder=True)
        self._away[node] = self._away_seen = None
        self.trees.add(node, slots=0, hard_limit=True)
        self.trees.absent(node, absent=True)
        return True

    def _fit(self, *nodes: NodeId | None, one_more: bool = False) -> None:
        """Give placeholders as many slots as they have children: none to spare, none too few.

        One without a child that has none to come is forgotten.
        """
        for node in nodes:
            member = None if node is None else self.members.get(node)
            if node is None or member is None or not member.placeholder:
                continue
            stripes = [Stripe(stripe) for stripe in range(self._stripes)]
            counts = [len(self.trees.children(node, stripe)) for stripe in stripes]
            if not any(counts) and not one_more:
                self.forget(node)
                continue
            self.trees.set_slots(node, sum(counts) + one_more, hard_limit=True)
            self.trees.serve(node, max(stripes, key=lambda stripe: counts[stripe]))

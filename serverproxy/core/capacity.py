"""How many children each node can feed: learnt from how far behind its children are (design 6).

Rules
-----
1. A node begins with the slots that it is given. Full, with no child behind in `RAISE_AFTER` of its
   reports on end, it gets one more; with more children than slots already after `RAISE_OVER`. At
   most twice as many as it began with; a user's number is never passed.
2. A child that leaves it as slow costs it one slot; so do several children, half of them or more,
   that say they are behind. What is left is what it feeds without them, but at least one.
3. A node whose last child leaves it as slow, and one whose own downlink is slow, rests: no slots,
   so that its children are moved away. It is tried again after `REST` in which it gets all
   stripes in time itself; each rest is twice as long as the one before.
4. A node is not believed that its own downlink is slow while its parents lose slots by rule 2.
5. What was learnt is forgotten in both directions: slots above the first number that nobody uses
   go one by one, those that were lost come back by rule 1. The next raise takes twice as long each
   time that a slot is lost or was not used, until one is used well.

Only the link counts that a child reports: what its parent itself gets late is no fault of the
parent. The server proxy's own slots are the user's, and nobody's to judge.
"""

from dataclasses import dataclass, field

from common.ids import ROOT, NodeId, Stripe
from common.messages import Report
from serverproxy.core.tree import Trees

SLOW_LAG = 0.3
"""Seconds behind from which on a child counts as behind."""
FLAT_LAG = 0.15
"""Seconds behind up to which a child counts as well fed."""
RAISE_AFTER = 10
"""Reports of a full node, all children well fed, for one more slot."""
RAISE_OVER = 3
"""The same for a node that has more children than slots: they need not be moved then."""
DECAY_AFTER = 15
"""Reports of a node that does not use a slot that it was given on top."""
MOST_TIMES = 2
"""A node gets at most so many times the slots that it began with."""
LOWER_EVERY = 1.0
"""Seconds in which a node loses one slot at most: who left may be enough for the others."""
REST = 10.0
"""Seconds without slots after the last sign of trouble; doubled by each rest."""
MOST_DOUBLINGS = 4
"""Rests, and reports before a raise, are at most `2 ** MOST_DOUBLINGS` times as long."""
BELIEVED_FOR = 6.0
"""Seconds for which a child's word counts: three reports."""
SEVERAL = 2


@dataclass(slots=True)
class _Node:
    """What is known of one node."""

    first: int
    """Slots that it began with."""
    hard_limit: bool
    """It is a user's number."""
    slots: int
    """Slots that it has proved, whether it rests or not."""
    behind: dict[NodeId, float] = field(default_factory=dict)
    """How far it is behind each of its parents, as it last said, in seconds."""
    stripes: int = 0
    """In so many it had a parent then."""
    said_at: float = float("-inf")
    well: int = 0
    """Reports on end with all slots in use and no child behind."""
    unused: int = 0
    """Reports on end with a slot on top that is not used."""
    fed: int = 0
    """Children that it has fed well for a while."""
    doublings: int = 0
    """Raises that came to nothing, since it last fed more children than ever."""
    lowered_at: float = float("-inf")
    rest_until: float | None = None
    rests: int = 0
    rested_at: float = float("-inf")
    """When it was last tried again."""
    drained: bool = False
    """The operator wants it to have no children."""

    @property
    def most(self) -> int:
        """The most slots that it can get."""
        return self.first if self.hard_limit else self.first * MOST_TIMES

    @property
    def given(self) -> int:
        """The slots that it has now."""
        return 0 if self.drained or self.rest_until is not None else self.slots


class Capacity:
    """The slots of all nodes of one channel, over time. Changes them in the trees."""

    def __init__(self, trees: Trees, stripes: int) -> None:
        """Know nobody yet."""
        self._trees, self._stripes = trees, tuple(Stripe(stripe) for stripe in range(stripes))
        self._nodes: dict[NodeId, _Node] = {}

    def begin(self, node: NodeId, slots: int, *, hard_limit: bool, children: int = 0) -> int:
        """Take a node that comes, or comes back, with so many slots; return what it gets.

        What was learnt of it stays, unless it comes with another number. `children`: so many it
        has already, from before a restart of the server proxy; it has proved that it can.
        """
        known = self._nodes.get(node)
        if known is None or (known.first, known.hard_limit) != (slots, hard_limit):
            drained = known is not None and known.drained
            known = self._nodes[node] = _Node(slots, hard_limit, slots, drained=drained)
            known.slots = max(slots, min(children, known.most))
        return known.given

    def forget(self, node: NodeId) -> None:
        """Forget a node that is in no tree any more."""
        self._nodes.pop(node, None)

    def slots(self, node: NodeId) -> int:
        """Return the slots that a node has now; 0 for one that is not known."""
        known = self._nodes.get(node)
        return 0 if known is None else known.given

    # --- what the operator says

    def is_drained(self, node: NodeId) -> bool:
        """Whether the operator wants a node to have no children."""
        known = self._nodes.get(node)
        return known is not None and known.drained

    def drain(self, node: NodeId, *, drained: bool) -> list[NodeId]:
        """Let a node have no children, or its slots again; return who has other slots now."""
        if (known := self._nodes.get(node)) is None:
            return []
        before = self._given_now(node)
        known.drained = drained
        return self._apply(before)

    # --- what nodes say

    def reported(self, node: NodeId, report: Report, now: float) -> list[NodeId]:
        """Take a report; return who has other slots now, in the trees already."""
        if (known := self._nodes.get(node)) is None:
            return []
        self._hear(known, report, now)
        before = self._given_now(node, *known.behind)
        blamed = [self._judge(parent, now) for parent in known.behind]
        if not blamed or not all(blamed):
            self._rest_if_late(known, report, now)
        self._own_state(node, known, now)
        return self._apply(before)

    def left_as_slow(self, parent: NodeId, now: float) -> list[NodeId]:
        """Note that a child has left its parent as slow; return who has other slots now.

        The trees do not have it as a child any more.
        """
        if (known := self._nodes.get(parent)) is None:
            return []
        before = self._given_now(parent)
        if others := len(self._children(parent)):
            self._lower(known, others, now)
        else:
            self._lower(known, 1, now)
            self._rest(known, now)
        return self._apply(before)

    # --- inside

    def _hear(self, known: _Node, report: Report, now: float) -> None:
        """Keep in mind what a node says of the links to its parents."""
        behind: dict[NodeId, float] = {}
        fed = [one for one in report.stripes if one.parent is not None]
        for one in fed:
            parent = NodeId(one.parent or "")
            behind[parent] = max(one.behind, behind.get(parent, 0.0))
        known.stripes = len({one.stripe for one in fed})
        known.behind, known.said_at = behind, now

    def _judge(self, parent: NodeId, now: float) -> bool:
        """Take a slot from a parent whose children are behind; return whether they are."""
        links = self._children(parent)
        if len(links) < SEVERAL:
            return False
        children = dict.fromkeys(links)
        behind = [one for one in children if self._behind(one, parent, now) >= SLOW_LAG]
        if len(behind) < SEVERAL or 2 * len(behind) < len(children):
            return False
        if (known := self._nodes.get(parent)) is not None:
            self._lower(known, len(links) - 1, now)
        return True

    def _own_state(self, node: NodeId, known: _Node, now: float) -> None:
        """Look at a node on the occasion of its own report."""
        if known.rest_until is not None and now >= known.rest_until:
            known.rest_until, known.rested_at = None, now
        children = self._children(node)
        well = all(self._behind(one, node, now) <= FLAT_LAG for one in children)
        full = len(children) >= known.slots
        known.well = known.well + 1 if well and full and known.rest_until is None else 0
        over = len(children) > known.slots
        if known.well >= RAISE_AFTER and known.slots > known.fed:
            known.fed, known.doublings = known.slots, 0
        needed = (RAISE_OVER if over else RAISE_AFTER) << known.doublings
        if known.well >= needed and known.slots < known.most:
            known.slots, known.well = known.slots + 1, 0
        known.unused = known.unused + 1 if not full and known.slots > known.first else 0
        if known.unused >= DECAY_AFTER:
            known.slots, known.unused = known.slots - 1, 0
            self._in_vain(known)

    def _rest_if_late(self, known: _Node, report: Report, now: float) -> None:
        """Let a node rest whose own network is slow, until it gets every stripe in time again."""
        in_time = all(behind <= FLAT_LAG for behind in known.behind.values())
        resting = known.rest_until is not None
        whole = known.stripes == len(self._stripes)
        if report.downlink_slow or (resting and not (in_time and whole)):
            self._rest(known, now)

    def _lower(self, known: _Node, to: int, now: float) -> None:
        known.well = 0
        if now - known.lowered_at < LOWER_EVERY or not known.slots:
            return
        known.slots = max(1, min(known.slots - 1, to))
        known.lowered_at, known.fed = now, known.slots
        self._in_vain(known)

    def _in_vain(self, known: _Node) -> None:
        known.doublings = min(known.doublings + 1, MOST_DOUBLINGS)

    def _rest(self, known: _Node, now: float) -> None:
        if known.rest_until is None:
            long_ago = now - known.rested_at > REST * 2**MOST_DOUBLINGS
            known.rests = 1 if long_ago else known.rests + 1
        known.rest_until = now + REST * 2 ** min(known.rests - 1, MOST_DOUBLINGS)

    def _children(self, node: NodeId) -> list[NodeId]:
        if node != ROOT and node not in self._trees:
            return []
        return self._trees.all_children(node)

    def _behind(self, child: NodeId, parent: NodeId, now: float) -> float:
        """Return how far a child is behind its parent as it last said; unknown is 0."""
        known = self._nodes.get(child)
        if known is None or now - known.said_at > BELIEVED_FOR:
            return 0.0
        return known.behind.get(parent, 0.0)

    def _given_now(self, *nodes: NodeId) -> dict[NodeId, int]:
        return {one: self._nodes[one].given for one in nodes if one in self._nodes}

    def _apply(self, before: dict[NodeId, int]) -> list[NodeId]:
        """Put into the trees what is other than before; return whose slots that are."""
        changed = []
        for node, slots in before.items():
            known = self._nodes[node]
            if known.given != slots and node in self._trees:
                hard_limit = known.hard_limit or not known.given
                self._trees.set_slots(node, known.given, hard_limit=hard_limit)
                changed.append(node)
                if not known.given:
                    self._empty(node)
        return changed

    def _empty(self, node: NodeId) -> None:
        """Let the children of a node that rests go elsewhere, those first that can take others."""
        trees = self._trees
        for stripe in self._stripes:
            below = {child: self._subtree(child, stripe) for child in trees.children(node, stripe)}
            for child in sorted(below, key=lambda one: trees.serves(one) != stripe):
                own = below.pop(child)
                if trees.moving_to(child, stripe) is None:
                    avoid = {node}.union(*below.values())
                    if trees.place(child, stripe, avoid=avoid) is None:
                        below[child] = own

    def _subtree(self, top: NodeId, stripe: Stripe) -> set[NodeId]:
        found, level = {top}, [top]
        while level:
            level = [child for one in level for child in self._trees.children(one, stripe)]
            found.update(level)
        return found

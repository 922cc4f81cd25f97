"""The state of the trees: who hangs where, who is on the way where, and where there is a place.

Rules
-----
1. `parent` and `children` are what nodes have reported. `up` and `down` are what will be once every
   move that was asked for has been reported: a node that moves has its `up` elsewhere.
2. Depths are those of `up`: placement looks at what will be. No depth: in a detached subtree.
3. `pending` is a node that hangs, in the end, under one which has not reported its parent yet.
4. Every change ends with `flush()`. From then on the shelves say where a node can be placed, so
   that placing looks at a few members, whatever the size of the trees.
"""

from typing import Literal

from common.errors import ProxyError
from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.shelves import Link, Member, Shelves

Policy = Literal["shallow", "zebra"]

LATER = 1 << 32
"""Added to the key of pending members: they come after every depth."""


class TreeError(ProxyError, ValueError):
    """A report or a request that cannot be true; nothing has changed."""


class UnknownNodeError(TreeError):
    """A node that is not, or already, in the trees."""


class LoopError(TreeError):
    """A node would hang under itself."""


class Graph:
    """All trees of one channel: links that agree with each other, shelves that agree with them."""

    def __init__(self, stripes: int, root_slots: int, repair_slots: int, policy: Policy) -> None:
        self.stripes = tuple(Stripe(number) for number in range(stripes))
        self.root_slots, self.repair_slots, self.policy = root_slots, repair_slots, policy
        self.root = Member(ROOT, 0, True, tuple(Link(depth=0, pending=False) for _ in self.stripes))
        self.members: dict[NodeId, Member] = {}
        self.shelves = tuple(Shelves() for _ in self.stripes)
        self.moving = tuple(dict[Member, None]() for _ in self.stripes)
        """Members with a parent that are asked to leave it for another."""
        self.loose = tuple(dict[Member, None]() for _ in self.stripes)
        """Members that hang nowhere and are going nowhere."""
        self.burdened: dict[Member, None] = {}
        """Members with more than their slots, or with children in a stripe not their own."""
        self.yielding: dict[Member, None] = {}
        """Members that are to serve another stripe as soon as their children have left."""
        self.slots_in = [root_slots for _ in self.stripes]
        self.interior = [0 for _ in self.stripes]
        """How many members serve each stripe."""
        self._dirty: dict[Member, None] = {self.root: None}
        self.flush()

    def room(self, stripe: Stripe) -> int:
        """Slots of a stripe less its nodes."""
        return self.slots_in[stripe] - len(self.members)

    def find(self, node: NodeId) -> Member:
        """Look up a node or ROOT."""
        member = self.root if node == ROOT else self.members.get(node)
        if member is None:
            raise UnknownNodeError(f"node {node} is not in the trees")
        return member

    def free(self, member: Member, stripe: Stripe) -> int:
        """Slots without a child once every move is done; below zero: excess."""
        if member is self.root:
            return self.root_slots - len(member.links[stripe].down)
        return member.slots - member.load

    def reach(self, member: Member, stripe: Stripe) -> int:
        """How many more may attach right now: one excess at most, none above a user's number."""
        if member is self.root:
            link = member.links[stripe]
            return self.root_slots + self.repair_slots - len(link.down) - link.leaving
        return member.limit - member.held

    def serving(self, member: Member, stripe: Stripe) -> bool:
        """Whether children in this stripe are what `member` is there for."""
        return member is self.root or (member.serves == stripe and member.yields is None)

    def leaf_of(self, member: Member, stripe: Stripe, but: Member | None = None) -> Member | None:
        """Return a child that is a leaf in this stripe, there to stay, and can be handed over."""
        for child in member.links[stripe].down:
            link = child.links[stripe]
            if child.serves == stripe or link.parent is not member or child is but:
                continue
            if not link.down and not link.children:
                return child
        return None

    def is_below(self, member: Member | None, top: Member, stripe: Stripe) -> bool:
        """Whether `member` is `top` or will hang under it."""
        while member is not None and member is not top:
            member = member.links[stripe].up
        return member is top

    def hangs_below(self, member: Member | None, top: Member, stripe: Stripe) -> bool:
        """Whether `member` is `top` or hangs under it, as reported."""
        while member is not None and member is not top:
            member = member.links[stripe].parent
        return member is top

    def expect(self, member: Member, stripe: Stripe, up: Member | None) -> None:
        """Let `member` be on its way to `up` (its parent: it stays; None: nowhere)."""
        link = member.links[stripe]
        if link.up is not up:
            self._count_leaving(member, stripe, -1)
            self._relink(member, stripe, up)
            self._count_leaving(member, stripe, 1)
            self._propagate(member, stripe)

    def hang(self, member: Member, stripe: Stripe, parent: Member | None) -> None:
        """Let `member` hang under `parent` as reported, and stay there; None: it keeps its way."""
        link = member.links[stripe]
        self._count_leaving(member, stripe, -1)
        up = link.up if parent is None and link.up is not link.parent else parent
        if link.parent is not None:
            del link.parent.links[stripe].children[member]
            self.touch(link.parent, stripe)
        link.parent = parent
        if parent is not None:
            parent.links[stripe].children[member] = None
        self._relink(member, stripe, up)
        self._count_leaving(member, stripe, 1)
        self._propagate(member, stripe)

    def _relink(self, member: Member, stripe: Stripe, up: Member | None) -> None:
        link = member.links[stripe]
        if link.up is not None:
            del link.up.links[stripe].down[member]
            self.touch(link.up, stripe)
        link.up = up
        if up is None:
            self.loose[stripe][member] = None
        else:
            up.links[stripe].down[member] = None
            self.loose[stripe].pop(member, None)
            self.touch(up, stripe)
        self.touch(member, stripe)

    def _count_leaving(self, member: Member, stripe: Stripe, sign: int) -> None:
        link = member.links[stripe]
        if link.parent is None or link.parent is link.up:
            return
        link.parent.links[stripe].leaving += sign
        self.touch(link.parent, stripe)
        if sign > 0:
            self.moving[stripe][member] = None
        else:
            self.moving[stripe].pop(member, None)

    def _propagate(self, member: Member, stripe: Stripe) -> None:
        stack = [member]
        while stack:
            link = (member := stack.pop()).links[stripe]
            above = link.up.links[stripe] if link.up is not None else None
            depth = above.depth + 1 if above is not None and above.depth is not None else None
            pending = link.parent is None or above is None or above.pending
            if (depth, pending) != (link.depth, link.pending):
                link.depth, link.pending = depth, pending
                self._dirty[member] = None
                stack.extend(link.down)

    def touch(self, member: Member, stripe: Stripe) -> None:
        """Note that `member` has changed, and so perhaps whether it is its parent's leaf."""
        self._dirty[member] = None
        link = member.links[stripe]
        for parent in (link.parent, link.up):
            if parent is not None:
                self._dirty[parent] = None

    def flush(self) -> None:
        """Put every changed member on the right shelves."""
        dirty, self._dirty = self._dirty, {}
        for member in dirty:
            self._shelve(member)
            self._note_burden(member)

    def _shelve(self, member: Member) -> None:
        load, held = member.load, member.held
        for stripe in self.stripes:
            if member is self.root:
                free, reach = self.free(member, stripe), self.reach(member, stripe)
            else:
                free, reach = member.slots - load, member.limit - held
            self._shelve_in(member, stripe, free, reach)

    def _shelve_in(self, member: Member, stripe: Stripe, free: int, reach: int) -> None:
        link, shelves = member.links[stripe], self.shelves[stripe]
        keys: tuple[int | None, ...]
        if not self.serving(member, stripe):
            spare = free > 0 and reach > 0 and member.yields in {None, stripe}
            keys = (None, None, None, self._key(link) if spare else None, None, None, None)
        else:
            key, depth = self._key(link), link.depth
            idle = None if link.down or link.children else member.slots
            holder = None if key is None or self.leaf_of(member, stripe) is None else key
            available = key if free > 0 and reach > 0 else None
            leafy, over = (holder, key) if free == 0 and reach > 0 else (None, None)
            if member is self.root:
                over = depth = idle = None
            keys = (available, leafy, over, None, holder, depth, idle)
        if keys != link.shelved:
            link.shelved = keys
            for shelf, key in zip(shelves.all, keys, strict=True):
                shelf.put(member, key)

    def _key(self, link: Link) -> int | None:
        if link.depth is None:
            return None
        depth = link.depth if self.policy == "shallow" else 0
        return depth + LATER if link.pending else depth

    def _note_burden(self, member: Member) -> None:
        if member is self.root:
            burdened = any(self.free(member, stripe) < 0 for stripe in self.stripes)
        else:
            load = member.load
            own = 0 if member.serves is None else len(member.links[member.serves].down)
            burdened = load > own or load > member.slots
        if burdened:
            self.burdened[member] = None
        else:
            self.burdened.pop(member, None)

    # --- whole members

    def enter(self, node: NodeId, slots: int, *, hard_limit: bool) -> Member:
        """Take a node in; it hangs nowhere and serves nothing yet."""
        if node == ROOT or node in self.members:
            raise UnknownNodeError(f"node {node} is in the trees already")
        member = Member(node, slots, hard_limit, tuple(Link() for _ in self.stripes))
        self.members[node] = member
        for stripe in self.stripes:
            self.loose[stripe][member] = None
        return member

    def assign(self, member: Member, serves: Stripe | None, slots: int | None = None) -> None:
        """Let `member` serve a stripe, with so many slots from now on."""
        if member.serves is not None:
            self.slots_in[member.serves] -= member.slots
            self.interior[member.serves] -= 1
        member.serves, member.yields = serves, None
        member.slots = member.slots if slots is None else slots
        if serves is not None:
            self.slots_in[serves] += member.slots
            self.interior[serves] += 1
        self.yielding.pop(member, None)
        for stripe in self.stripes:
            self.touch(member, stripe)
        self.flush()

    def clear(self, member: Member) -> None:
        """Forget `member`, which has no link to anybody any more."""
        self.assign(member, None, slots=0)
        del self.members[member.id]
        for stripe in self.stripes:
            del self.loose[stripe][member]
        self.burdened.pop(member, None)

    def yield_to(self, member: Member, stripe: Stripe | None) -> None:
        """Take no more children, so that `member` can serve `stripe` later; None: no longer."""
        member.yields = stripe
        if stripe is None:
            self.yielding.pop(member, None)
        else:
            self.yielding[member] = None
        for each in self.stripes:
            self.touch(member, each)
        self.flush()

    def release(self, member: Member, stripe: Stripe) -> None:
        """Drop where `member` is on its way to, and the move of the leaf that was to make room."""
        link = member.links[stripe]
        leaf, link.displaces = link.displaces, None
        self.expect(member, stripe, link.parent)
        if leaf is not None:
            way = leaf.links[stripe]
            if way.up is member and way.parent is not member:
                self.expect(leaf, stripe, way.parent)

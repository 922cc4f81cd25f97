"""The state of the trees: links, slots, and where there is a place.

Every change ends with `flush()`. From then on the shelves say where a node can be placed, so that
placing looks at a few members, whatever the size of the trees.
"""

from typing import Literal

from common.errors import ProxyError
from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.links import Links
from serverproxy.core.shelves import Link, Member, Shelves

Policy = Literal["shallow", "zebra"]

Keys = tuple[int | None, ...]

LATER = 1 << 32
"""Added to the key of pending members: they come after every depth."""


class TreeError(ProxyError, ValueError):
    """A report or a request that cannot be true; nothing has changed."""


class UnknownNodeError(TreeError):
    """A node that is not, or already, in the trees."""


class LoopError(TreeError):
    """A node would hang under itself."""


def depth_bound(nodes: int) -> int:
    """Return how deep a tree of so many nodes may be: ceil(log2(n / 2)) + 2."""
    return max(0, (nodes - 1).bit_length() - 1) + 2


def height(top: Member, stripe: Stripe) -> int:
    """Return how many levels will hang below a member; walks over them."""
    levels, level = 0, list(top.links[stripe].down)
    while level:
        levels += 1
        level = [child for one in level for child in one.links[stripe].down]
    return levels


class Graph(Links):
    """All trees of one channel: links that agree with each other, shelves that agree with them."""

    def __init__(self, stripes: int, root_slots: int, repair_slots: int, policy: Policy) -> None:
        super().__init__(stripes)
        self.root_slots, self.repair_slots, self.policy = root_slots, repair_slots, policy
        self.shelves = tuple(Shelves() for _ in self.stripes)
        self.burdened: dict[Member, None] = {}
        """Members with more than their slots, or with children in a stripe not their own."""
        self.suspects = set[Member]()
        self.yielding: dict[Member, None] = {}
        """Members that are to serve another stripe as soon as their children have left."""
        self.slots_in = [root_slots for _ in self.stripes]
        self.interior = [0 for _ in self.stripes]
        """How many members serve each stripe."""
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

    def can_hand_over(self, member: Member, stripe: Stripe) -> bool:
        """Whether who serves the stripe and is full can take one in place of a child."""
        if member.absent or not self.serving(member, stripe) or self.free(member, stripe) != 0:
            return False
        hard = member.hard_limit and not (member is self.root and self.repair_slots)
        return self.reach(member, stripe) >= (0 if hard else 1)

    def depth_below(self, parent: Member, stripe: Stripe) -> int:
        """Return the depth that a child of `parent` has, 1 below who hangs nowhere."""
        depth = parent.links[stripe].depth
        return 1 if depth is None else depth + 1

    def serving(self, member: Member, stripe: Stripe) -> bool:
        """Whether children in this stripe are what `member` is there for."""
        return member is self.root or (member.serves == stripe and member.yields is None)

    def flush(self) -> None:
        """Put every changed member on the right shelves."""
        dirty, self.dirty = self.dirty, {}
        for member in dirty:
            self._shelve(member)
            self._note_burden(member)

    def stale(self) -> list[Member]:
        """Return who lies where it does not belong: nobody, after a `flush`."""
        every = (self.root, *self.members.values())
        return [m for m in every for s, keys in self._places(m) if keys != m.links[s].shelved]

    def _shelve(self, member: Member) -> None:
        for stripe, keys in self._places(member):
            link = member.links[stripe]
            if keys != link.shelved:
                link.shelved = keys
                for shelf, key in zip(self.shelves[stripe].all, keys, strict=True):
                    shelf.put(member, key)

    def _places(self, member: Member) -> list[tuple[Stripe, Keys]]:
        if member is self.root:
            return [
                (s, self._keys(member, s, self.free(member, s), self.reach(member, s)))
                for s in self.stripes
            ]
        free, reach = member.slots - member.load, member.limit - member.held
        return [(stripe, self._keys(member, stripe, free, reach)) for stripe in self.stripes]

    def _keys(self, member: Member, stripe: Stripe, free: int, reach: int) -> Keys:
        link = member.links[stripe]
        key = None if member.absent else self._key(link)
        if not self.serving(member, stripe):
            spare = free > 0 and reach > 0 and member.yields in {None, stripe}
            return (None, None, None, None, key if spare else None, None, None, None)
        holder = None if key is None or self.leaf_of(member, stripe) is None else key
        available = key if free > 0 and reach > 0 else None
        leafy, over = (holder, key) if free == 0 and reach > 0 else (None, None)
        tight = holder if free == 0 and reach == 0 and member.hard_limit else None
        if member is self.root:
            return (available, leafy, None, None, None, holder, None, None)
        idle = None if link.down or link.children else member.slots
        if member.absent:
            return (None,) * len(self.shelves[stripe].all)
        return (available, leafy, tight, over, None, holder, link.depth, idle)

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
            self.stir(member, stripe)
            if (parent := member.links[stripe].parent) is not None:
                self.stir_children(parent, stripe)
        self.flush()

    def clear(self, member: Member) -> None:
        """Forget `member`, which has no link to anybody any more."""
        self.assign(member, None, slots=0)
        del self.members[member.id]
        for stripe in self.stripes:
            del self.loose[stripe][member]
            for backed in list(member.links[stripe].backs):
                self.back(backed, stripe, None)
            self.back(member, stripe, None)
            self.restless[stripe].pop(member, None)
        self.burdened.pop(member, None)
        self.suspects.discard(member)

    def yield_to(self, member: Member, stripe: Stripe | None) -> None:
        """Take no more children, so that `member` can serve `stripe` later; None: no longer."""
        member.yields = stripe
        if stripe is None:
            self.yielding.pop(member, None)
        else:
            self.yielding[member] = None
        for each in self.stripes:
            self.touch(member, each)
            self.stir(member, each)
        self.flush()

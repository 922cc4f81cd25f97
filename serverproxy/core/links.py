"""Who hangs where and who is on the way where, in every stripe.

Rules
-----
1. `parent` and `children` are what nodes have reported. `up` and `down` are what will be once every
   move that was asked for has been reported: a node that moves has its `up` elsewhere.
2. Depths are those of `up`: placement looks at what will be. No depth: in a detached subtree.
3. `pending` is a node that hangs, in the end, under one which has not reported its parent yet, or
   which may be dead.
"""

from itertools import islice

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.shelves import Link, Member

FAMILY = 8
"""Of whose changes its relatives take note at most: nodes with more children are few."""


class Links:
    """Links of all members that agree with each other; whoever has changed is in `dirty`."""

    def __init__(self, stripes: int) -> None:
        self.stripes = tuple(Stripe(number) for number in range(stripes))
        self.root = Member(ROOT, 0, True, tuple(Link(depth=0, pending=False) for _ in self.stripes))
        self.members: dict[NodeId, Member] = {}
        self.moving = tuple(dict[Member, None]() for _ in self.stripes)
        """Members with a parent that are asked to leave it for another."""
        self.loose = tuple(dict[Member, None]() for _ in self.stripes)
        """Members that hang nowhere and are going nowhere."""
        self.changes = 0
        """How often anybody's place or way has changed."""
        self.dirty: dict[Member, None] = {self.root: None}
        self.restless = tuple(dict[Member, None]() for _ in self.stripes)
        """Members that perhaps need another standby."""

    def leaf_of(self, member: Member, stripe: Stripe, but: Member | None = None) -> Member | None:
        """Return a child that is a leaf in this stripe, there to stay, and can be handed over.

        At the server proxy also one on its way there: else the first node that serves a stripe
        would be put below a leaf whose report is still to come.
        """
        for child in member.links[stripe].down:
            link = child.links[stripe]
            there = link.parent is member or (member is self.root and link.parent is None)
            if child.serves == stripe or not there or child is but:
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
            family = link.parent.links[stripe].children
            del family[member]
            self.stir_children(link.parent, stripe)
            self.touch(link.parent, stripe)
        self.stir(member, stripe)
        self.stir_children(member, stripe)
        link.parent = parent
        if parent is not None:
            self.stir_children(parent, stripe)
            parent.links[stripe].children[member] = None
        self._relink(member, stripe, up)
        self._count_leaving(member, stripe, 1)
        self._propagate(member, stripe)

    def _relink(self, member: Member, stripe: Stripe, up: Member | None) -> None:
        link = member.links[stripe]
        if link.up is not None:
            down = link.up.links[stripe].down
            del down[member]
            self._children_changed(link.up, stripe, 0, len(down))
        link.up = up
        if up is None:
            self.loose[stripe][member] = None
        else:
            down = up.links[stripe].down
            down[member] = None
            self.loose[stripe].pop(member, None)
            self._children_changed(up, stripe, 1, len(down))
        self.touch(member, stripe)

    def _children_changed(self, member: Member, stripe: Stripe, edge: int, count: int) -> None:
        """Only the first child that comes and the last that goes change who is a leaf."""
        if count == edge:
            self.touch(member, stripe)
        else:
            self.dirty[member] = None

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
            unsure = link.parent is None or link.up is None or link.up.suspect
            pending = unsure or above is None or above.pending
            if (depth, pending) != (link.depth, link.pending):
                self.stir(member, stripe)
                link.depth, link.pending = depth, pending
                self.dirty[member] = None
                stack.extend(link.down)

    def suspect(self, member: Member, *, suspected: bool) -> None:
        """Note that a node may be dead, so that nobody knows where those below it hang."""
        member.suspect = suspected
        self.changes += 1
        for stripe in self.stripes:
            for comer in member.links[stripe].down:
                self._propagate(comer, stripe)

    def stir(self, member: Member, stripe: Stripe) -> None:
        """Note that `member` and those for whom it stands by may need another standby."""
        self.restless[stripe][member] = None
        self.restless[stripe].update(member.links[stripe].backs)

    def stir_children(self, member: Member, stripe: Stripe) -> None:
        """Note that who of its children has which standby may have to be another."""
        self.restless[stripe].update(islice(member.links[stripe].children.items(), FAMILY))

    def back(self, member: Member, stripe: Stripe, standby: Member | None) -> None:
        """Let `standby` stand by for `member`."""
        link = member.links[stripe]
        if link.standby is not None:
            del link.standby.links[stripe].backs[member]
        link.standby = standby
        if standby is not None:
            standby.links[stripe].backs[member] = None

    def touch(self, member: Member, stripe: Stripe) -> None:
        """Note that `member` has changed, and so perhaps whether it is its parent's leaf."""
        self.dirty[member] = None
        self.changes += 1
        link = member.links[stripe]
        for parent in (link.parent, link.up):
            if parent is not None:
                self.dirty[parent] = None

    def release(self, member: Member, stripe: Stripe) -> None:
        """Drop where `member` is on its way to, and the move of the leaf that was to make room.

        Others who are on their way below it stay too, where a loop would come of it: links as
        reported have none, but a mixture of them with ways that were to come may. And who was to
        go under it where it would have been stays, if it has a parent.
        """
        link = member.links[stripe]
        moving = link.parent is not None and link.parent is not link.up
        self._cut(due := [member], member, stripe)
        for one in due:
            parent = one.links[stripe].parent
            while parent is not None and self.is_below(parent, one, stripe):
                self._cut(due, self.first_moving(parent, one, stripe, reported=False), stripe)
            self.expect(one, stripe, parent)
            if parent is not None and parent.hard_limit and 0 < parent.slots < parent.load:
                self._turn_away(parent)
        for comer in list(link.down) if moving else ():
            if comer.links[stripe].parent not in (None, member):
                self.release(comer, stripe)

    def _turn_away(self, parent: Member) -> None:
        """Let nobody come to who has no slot: a leaf stays that was to make room."""
        for stripe in self.stripes:
            for comer in list(parent.links[stripe].down):
                if comer.links[stripe].parent is not parent and parent.slots < parent.load:
                    self.release(comer, stripe)

    def _cut(self, due: list[Member], member: Member, stripe: Stripe) -> None:
        """Let `member`, and the leaf in whose place it was to come, be on no way for a moment."""
        link = member.links[stripe]
        leaf, link.displaces = link.displaces, None
        self.expect(member, stripe, None)
        if member not in due:
            due.append(member)
        if leaf is not None:
            way = leaf.links[stripe]
            if way.up is member and way.parent is not member:
                self._cut(due, leaf, stripe)

    def first_moving(self, start: Member, top: Member, stripe: Stripe, *, reported: bool) -> Member:
        """Return the first on the way up from `start` to `top` that is on its way elsewhere."""
        one = start
        while one is not top:
            link = one.links[stripe]
            above = link.parent if reported else link.up
            if link.up is not link.parent or above is None:
                break
            one = above
        return one

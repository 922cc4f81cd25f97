"""Where a node can hang: one search for newcomers, orphans, holes, Serve and giving back.

Rules
-----
1. Whoever serves the stripe and can take a child takes the shallowest position that is free or held
   by a leaf, in front of which it splices; everybody else the shallowest free slot. A parent with
   a user's number sends that leaf away before it takes the newcomer. An orphan with
   a subtree but no slot left is one above its parent's slots in such a place, until the leaf has
   gone elsewhere.
2. Where there is none, a newcomer gets in this order: Serve, shared, a repair slot, and at last
   the place of a leaf, or of a child with all below it, whatever stripe it serves itself: with a
   slot for each stripe it is never refused. An orphan may first be one above its parent's slots.
   Where there is no place at all, one that serves the stripe takes that of a leaf at the server
   proxy, which is sent away first.
3. All candidates give the same resulting depth (`zebra` does not look at depths). The first is
   reserved: it counts as a child until the node reports its parent.
4. Whom a child has lost is a candidate only where nobody else is, and never for a remedy.
5. Members which have not reported their own parent yet are candidates only where nobody else is.
"""

from dataclasses import replace
from itertools import islice

from common.fields import MAX_CANDIDATES
from serverproxy.core.graph import depth_bound, height
from serverproxy.core.places import Candidate, Found, Placement, Query
from serverproxy.core.search import Search
from serverproxy.core.shelves import Member

MOST_LOOKED_AT = 100
"""Nodes that are looked at for one whose child could go under who else finds no place."""


class Planner(Search):
    """Finds places and reserves them."""

    def find(self, query: Query) -> Found | None:
        """Return the best place for a newcomer or an orphan."""
        steps = [
            self.regular,
            self.by_serve,
            self.shared,
            self._sharing_itself,
            self.repair,
        ]
        if query.member.admitted:
            steps = [self._settled, self.regular, self._overcommitted, *steps[1:], self._last_leaf]
        for step in (*steps, self._in_front):
            found = step(query)
            if found is not None:
                return found
        return None

    def regular(self, query: Query) -> Found | None:
        """Return free slots, or places of leaves for who can take the leaf under it."""
        shelves = self._graph.shelves[query.stripe]
        if self._takes_leaves(query):
            splices = [shelves.free, shelves.leafy]
            if query.member.links[query.stripe].parent is None:  # a move need not break a link
                splices.append(shelves.tight)
            return self._best(splices, query, splice=True)
        if self._carries_a_tree(query):
            return self._best([shelves.free, shelves.leafy], query)
        kept = self._graph.root not in query.avoid and self._keeps_root(query)
        if kept:
            query = replace(query, avoid=query.avoid | {self._graph.root})
        return self._best([shelves.free], query)

    def _settled(self, query: Query) -> Found | None:
        """Return a place of those that a subtree need not wait for."""
        for step in (self._low_enough, self.regular, self._overcommitted):
            found = step(query)
            if found is not None and not self.is_pending(found.parents[0], query.stripe):
                return found
        return None

    def _low_enough(self, query: Query) -> Found | None:
        """Return a place one above a node's slots, where a tall subtree would else hang too low."""
        graph, stripe = self._graph, query.stripe
        link = query.member.links[stripe]
        if not link.down or link.parent is not None or graph.policy == "zebra":
            return None
        lowest = depth_bound(len(graph.members)) - height(query.member, stripe)
        found = self.regular(query)
        if found is not None and graph.depth_below(found.parents[0], stripe) <= lowest:
            return found
        over = graph.shelves[stripe].over
        for key in reversed([key for key in over.levels() if key < lowest]):
            fit = (one for one in over.at(key) if self.fits(one, query))
            if parents := list(islice(fit, MAX_CANDIDATES)):
                return Found(parents)
        return found

    def shared(self, query: Query) -> Found | None:
        """Return free slots of nodes that serve another stripe."""
        found = self._best([self._graph.shelves[query.stripe].spare], query)
        if found is not None:
            found.shared = True
        return found

    def by_serve(self, query: Query) -> Found | None:
        """Return a node without children that can serve this stripe, and leave none short."""
        graph = self._graph
        for stripe in graph.stripes:
            if stripe == query.stripe or graph.room(stripe) < 1:
                continue
            idle = graph.shelves[stripe].idle
            for slots in idle.levels():
                if slots > graph.room(stripe):
                    break
                for one in idle.at(slots):
                    if self._is_ready(one, query):
                        return Found([one], serve=one)
        return None

    def repair(self, query: Query) -> Found | None:
        """Return the server proxy, if one of its repair slots is free.

        The last one is not for who can take nobody under it: it would shut everybody else out, for
        nothing but a node with slots can take over from a leaf at the server proxy.
        """
        root, member = self._graph.root, query.member
        reach = self._graph.reach(root, query.stripe)
        if reach < 1 or not self.fits(root, query):
            return None
        if member.admitted:
            useful = member.slots > 0 and not self._keeps_root(query)
        else:
            useful = member.slots >= len(self._graph.stripes)
        return Found([root]) if useful or (reach > 1 and not self._keeps_root(query)) else None

    def reserve(self, query: Query, found: Found) -> Placement:
        """Count `query.member` under the first parent found, and say where it can go."""
        graph, stripe, member = self._graph, query.stripe, query.member
        if found.serve is not None:
            graph.assign(found.serve, stripe)
        candidates = tuple(self._candidate(parent, query, found) for parent in found.parents)
        parent, leaf = found.parents[0], candidates[0].displaced
        if found.sent_away is not None:  # it says so itself if it is there still
            graph.hang(found.sent_away, stripe, None)
            graph.release(found.sent_away, stripe)
        graph.expect(member, stripe, parent)
        if leaf is not None and found.sent_away is None:
            member.links[stripe].displaces = graph.members[leaf]
            graph.expect(graph.members[leaf], stripe, member)
        graph.flush()
        shelves = graph.shelves[stripe]
        for shelf in (shelves.free, shelves.leafy, shelves.tight, shelves.over, shelves.spare):
            shelf.used(parent)
        serve = None if found.serve is None else found.serve.id
        return Placement(stripe, candidates, found.shared, serve)

    def _candidate(self, parent: Member, query: Query, found: Found) -> Candidate:
        graph, stripe = self._graph, query.stripe
        link = parent.links[stripe]
        leaf = found.before or found.sent_away
        if found.splice and graph.free(parent, stripe) < 1:
            leaf = graph.leaf_of(parent, stripe, but=query.member)
        displaced = None if leaf is None else leaf.id
        chosen = found.before is not None
        return Candidate(parent.id, (link.depth or 0) + 1, displaced, chosen=chosen)

    def _takes_leaves(self, query: Query) -> bool:
        serving = self._graph.serving(query.member, query.stripe)
        return serving and self._graph.free(query.member, query.stripe) > 0

    def _carries_a_tree(self, query: Query) -> bool:
        """Whether a whole subtree has come loose: high up, in place of a leaf, the tree stays low.

        Not so for a remedy: it would hand the excess round for ever.
        """
        link = query.member.links[query.stripe]
        orphan = link.parent is None and bool(link.down)
        return orphan and self._graph.serving(query.member, query.stripe)

    def _keeps_root(self, query: Query) -> bool:
        """Whether a subtree waits for a place: a leaf at the server proxy would shut it out."""
        link = query.member.links[query.stripe]
        if query.member.serves == query.stripe or link.down:
            return False
        waiting = self._graph.loose[query.stripe]
        return any(
            one.admitted
            and not one.absent
            and one.serves == query.stripe
            and one is not query.member
            for one in waiting
        )

    def _overcommitted(self, query: Query) -> Found | None:
        return self._best([self._graph.shelves[query.stripe].over], query)

    def _sharing_itself(self, query: Query) -> Found | None:
        """Return places of leaves for who has a slot, but serves another stripe."""
        free = self._graph.free(query.member, query.stripe)
        if free < 1 or self._graph.serving(query.member, query.stripe):
            return None
        found = self._best([self._graph.shelves[query.stripe].leafy], query, splice=True)
        if found is not None:
            found.shared = True
        return found

    def _in_front(self, query: Query) -> Found | None:
        """Return who has no slot, in front of a leaf, whatever stripe the newcomer serves.

        Where all leaves hang under nodes that serve other stripes: of a child with all below it.
        """
        graph, stripe, member = self._graph, query.stripe, query.member
        if graph.free(member, stripe) < 1 or member.links[stripe].parent is not None:
            return None  # a move need not break a link
        interior, tops = graph.shelves[stripe].interior, list[Found]()
        serving = (one for depth in interior.levels() for one in interior.at(depth))
        shared = not graph.serving(member, stripe)
        for parent in (graph.root, *islice(serving, MOST_LOOKED_AT)):
            if not graph.can_hand_over(parent, stripe) or not self.fits(parent, query):
                continue
            if (leaf := graph.leaf_of(parent, stripe)) is not None:
                return Found([parent], shared=shared, before=leaf)
            here = (one for one in parent.links[stripe].down if one.links[stripe].parent is parent)
            tops += [Found([parent], shared=shared, before=o) for o in here if not o.absent]
        return tops[0] if tops else None

    def _last_leaf(self, query: Query) -> Found | None:
        """Return the server proxy for who serves the stripe, in place of a leaf that goes first."""
        root, stripe, member = self._graph.root, query.stripe, query.member
        if member.links[stripe].parent is not None or not member.slots:
            return None  # it is fed: the server proxy would refuse it
        if not self._graph.serving(member, stripe):
            return None
        leaf = self._graph.leaf_of(root, stripe, but=member)
        return Found([root], sent_away=leaf) if leaf and self.fits(root, query) else None

    def _is_ready(self, one: Member, query: Query) -> bool:
        link = one.links[query.stripe]
        ready = link.depth is not None and not link.pending
        return ready and self._graph.free(one, query.stripe) > 0 and self.fits(one, query)

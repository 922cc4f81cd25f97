"""The second parent of each stripe: connected and admitted, silent until it is asked (design 5).

Rules
-----
1. Wanted is whom the server proxy names, else the nearest ancestor above the parent; with
   `join: redirect` whom the delete policy says. Of these the first one that takes the node is held,
   one at a time; who fails is passed over for a while, each time for longer.
2. A standby is nearer to the root than the node, and not its parent. So every link leads to a
   smaller depth, and failures at the same moment close no cycle.
3. One that has nothing new itself (starved) is not used; for a parent that is starved none that has
   not been heard since: it may be out of reach for the same reason.
4. One that is ready is let go when a better one is ready: make before break.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf

from clientproxy.core.joining import ANSWER_WAIT, Command, Hold, Release
from common.fields import MAX_CANDIDATES, Candidate, PathEntry
from common.ids import ROOT, NodeId, Stripe
from common.policies import WayIn

HOLD_AFTER = 0.2
"""Seconds from a new parent, or another path, until a standby is looked for."""
PASSED_OVER = 5.0
"""Seconds for which who refused, or failed, is not asked to stand by again; then twice as long."""
MOST_PASSED_OVER = 60.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """Who refused to stand by, or failed."""

    until: float
    """When it may be asked again."""
    pause: float
    """How long it is passed over, in seconds."""


@dataclass(slots=True)
class _Stripe:
    """The standby of one stripe."""

    wished: tuple[Candidate, ...] = ()
    path: tuple[PathEntry, ...] = ()
    """From the server proxy to the parent."""
    held: Candidate | None = None
    """Who is ready; it may be starved."""
    depth: int = 0
    """Entries of its path."""
    starved: bool = False
    heard_at: float = -inf
    """When who is held was heard last."""
    asked: Candidate | None = None
    """Who is asked to stand by, in the place of who is held."""
    asked_until: float = 0.0
    look_at: float | None = None
    failures: dict[NodeId, _Failure] = field(default_factory=dict)
    """No more than there are to choose from."""

    def again_at(self, now: float) -> float | None:
        """Return when the next one that failed may be asked again."""
        return min((o.until for o in self.failures.values() if o.until > now), default=None)


class Standbys:
    """The standbys of one node in all stripes of a channel."""

    __slots__ = ("_stripes", "way_in")

    def __init__(self, stripes: int, way_in: WayIn | None = None) -> None:
        """Start with none."""
        self.way_in = WayIn() if way_in is None else way_in
        self._stripes = [_Stripe() for _ in range(stripes)]

    def ready(self, stripe: Stripe) -> Candidate | None:
        """Return who can take over now."""
        state = self._stripes[stripe]
        return None if state.starved else state.held

    def heard_since(self, stripe: Stripe, when: float) -> bool:
        """Whether somebody can take over who has been heard since `when`."""
        return self.ready(stripe) is not None and self._stripes[stripe].heard_at > when

    def held(self, stripe: Stripe) -> NodeId | None:
        """Return who is held, or else asked to be."""
        state = self._stripes[stripe]
        held = state.held or state.asked
        return None if held is None else NodeId(held.node)

    def linked(self, stripe: Stripe, node: NodeId) -> bool:
        """Whether there is a link with a node because it stands by, or is asked to."""
        state = self._stripes[stripe]
        return any(one is not None and one.node == node for one in (state.held, state.asked))

    def ancestors(self, stripe: Stripe) -> list[Candidate]:
        """Return who is above the parent: whom the delete policy says, then the nearest first."""
        path = self._stripes[stripe].path
        first = self.way_in.delete.target(path)
        above = sorted(path[-2::-1], key=lambda one: one is not first)
        return _candidates(one for one in above if one.addresses or one.node == ROOT)

    def above_elsewhere(self, stripe: Stripe) -> list[Candidate]:
        """Return the nodes above this one in the other stripes, the nearest first."""
        others = (o.path for number, o in enumerate(self._stripes) if number != stripe)
        return _candidates(one for path in others for one in path[::-1] if one.addresses)

    # --- what is told

    def wish(self, stripe: Stripe, candidates: Sequence[Candidate], now: float) -> None:
        """Take whom the server proxy names, in its order; none: the ancestors do."""
        state = self._stripes[stripe]
        if not self.way_in.redirect:
            state.wished, state.look_at = tuple(candidates), now

    def parent_path(self, stripe: Stripe, path: Sequence[PathEntry], now: float) -> None:
        """Take the path from the server proxy to the parent itself."""
        state = self._stripes[stripe]
        state.path = tuple(path)
        if state.look_at is None or state.look_at > now + HOLD_AFTER:
            state.look_at = now + HOLD_AFTER

    def path_told(
        self, stripe: Stripe, node: NodeId, path: Sequence[PathEntry], now: float
    ) -> list[Command]:
        """Take the path to a standby: with the first it is ready; too deep, it is let go."""
        state = self._stripes[stripe]
        if not self.linked(stripe, node):
            return []
        if len(path) > len(state.path):
            self.lost(stripe, node, now)
            return [Release(stripe, node)]
        state.depth = len(path)
        if state.asked is None or state.asked.node != node:
            return []
        commands = _release(stripe, state.held)
        state.held, state.asked, state.starved = state.asked, None, False
        state.failures.pop(node, None)
        state.look_at = state.again_at(now)
        return commands

    def beat(self, stripe: Stripe, node: NodeId, now: float, *, starved: bool) -> None:
        """Note what a standby's heartbeat says."""
        state = self._stripes[stripe]
        if state.held is not None and state.held.node == node:
            state.starved, state.heard_at = starved, now

    def lost(self, stripe: Stripe, node: NodeId, now: float) -> None:
        """Note that a standby refused, or that its link ended."""
        state = self._stripes[stripe]
        if self.linked(stripe, node):
            before = state.failures.get(node)
            pause = PASSED_OVER if before is None else min(2 * before.pause, MOST_PASSED_OVER)
            state.failures[node] = _Failure(now + pause, pause)
            self.taken(stripe, node)
            state.look_at = now

    def taken(self, stripe: Stripe, node: NodeId) -> None:
        """Note that a standby is the parent now, or that its link is put to another use."""
        state = self._stripes[stripe]
        if state.held is not None and state.held.node == node:
            state.held, state.starved = None, False
        if state.asked is not None and state.asked.node == node:
            state.asked = None

    # --- time

    def next_deadline(self) -> float | None:
        """Return when `expire` has something to do."""
        return min((s.look_at for s in self._stripes if s.look_at is not None), default=None)

    def expire(self, now: float, searching: Collection[int] = ()) -> list[Command]:
        """Look for a standby where that is due, but not in stripes that look for a parent."""
        commands: list[Command] = []
        for number, state in enumerate(self._stripes):
            if state.look_at is None or now < state.look_at:
                continue
            if number in searching:
                state.look_at = now + HOLD_AFTER
            else:
                commands += self._look(Stripe(number), state, now)
        return commands

    def _look(self, stripe: Stripe, state: _Stripe, now: float) -> list[Command]:
        commands: list[Command] = []
        if state.asked is not None and now >= state.asked_until:
            node = NodeId(state.asked.node)
            self.lost(stripe, node, now)
            commands.append(Release(stripe, node))
        if state.held is not None and state.depth > len(state.path):
            commands += _release(stripe, state.held)
            self.lost(stripe, NodeId(state.held.node), now)
        best = self._best(stripe, state, now)
        state.look_at = state.again_at(now)
        if best is not None and state.asked is not None and best.node == state.asked.node:
            state.look_at = state.asked_until
            return commands
        commands += _release(stripe, state.asked)
        state.asked = None
        if best is not None and (state.held is None or best.node != state.held.node):
            state.asked, state.asked_until = best, now + ANSWER_WAIT
            state.look_at = state.asked_until
            commands.append(Hold(stripe, best))
        return commands

    def _best(self, stripe: Stripe, state: _Stripe, now: float) -> Candidate | None:
        parent = state.path[-1].node if state.path else None
        choice = [*state.wished, *self.ancestors(stripe)]
        names = {one.node for one in choice}
        state.failures = {n: one for n, one in state.failures.items() if n in names}
        late = {node for node, one in state.failures.items() if one.until > now}
        return next((o for o in choice if o.node != parent and NodeId(o.node) not in late), None)


def _candidates(entries: Iterable[PathEntry]) -> list[Candidate]:
    found = (Candidate(one.node, one.addresses, 0.0, available=False) for one in entries)
    return list(islice(found, MAX_CANDIDATES))


def _release(stripe: Stripe, one: Candidate | None) -> list[Command]:
    return [] if one is None else [Release(stripe, NodeId(one.node))]

"""The second parent of each stripe: connected and admitted, silent until it is asked (design 5).

Rules
-----
1. Wanted is whom the server proxy names, else the nearest ancestor above the parent; with
   `join: redirect` whom the delete policy says. Of these the first one that takes the node is held,
   one at a time; who fails is passed over for a while.
2. A standby is nearer to the root than the node, and not its parent. So every link leads to a
   smaller depth, and failures at the same moment close no cycle.
3. One that has nothing new itself (starved) is not used.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from clientproxy.core.joining import ANSWER_WAIT, Command, Hold, Release
from common.fields import MAX_CANDIDATES, Candidate, PathEntry
from common.ids import ROOT, NodeId, Stripe
from common.policies import WayIn

HOLD_AFTER = 0.2
"""Seconds from a new parent, or another path, until a standby is looked for."""
PASSED_OVER = 5.0
"""Seconds for which who refused, or failed, is not asked to stand by again."""


@dataclass(slots=True)
class _Stripe:
    """The standby of one stripe."""

    wished: tuple[Candidate, ...] = ()
    path: tuple[PathEntry, ...] = ()
    """From the server proxy to the parent."""
    held: Candidate | None = None
    ready: bool = False
    starved: bool = False
    look_at: float | None = None
    passed_over: dict[NodeId, float] = field(default_factory=dict)
    """Until when; no more than there were to choose from."""


class Standbys:
    """The standbys of one node in all stripes of a channel."""

    def __init__(self, stripes: int, way_in: WayIn | None = None) -> None:
        """Start with none."""
        self._way_in = WayIn() if way_in is None else way_in
        self._stripes = [_Stripe() for _ in range(stripes)]

    def ready(self, stripe: Stripe) -> Candidate | None:
        """Return who can take over now."""
        state = self._stripes[stripe]
        return state.held if state.ready and not state.starved else None

    def held(self, stripe: Stripe) -> NodeId | None:
        """Return who is held, or asked to be."""
        held = self._stripes[stripe].held
        return None if held is None else NodeId(held.node)

    def ancestors(self, stripe: Stripe) -> list[Candidate]:
        """Return who is above the parent: whom the delete policy says, then the nearest first."""
        path = self._stripes[stripe].path
        first = self._way_in.delete.target(path)
        above = sorted(path[-2::-1], key=lambda one: one is not first)
        return [
            Candidate(one.node, one.addresses, 0.0, available=False)
            for one in above
            if one.addresses or one.node == ROOT
        ][:MAX_CANDIDATES]

    # --- what is told

    def wish(self, stripe: Stripe, candidates: Sequence[Candidate], now: float) -> None:
        """Take whom the server proxy names, in its order; none: the ancestors do."""
        state = self._stripes[stripe]
        if not self._way_in.redirect:
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
        if self.held(stripe) != node:
            return []
        if len(path) > len(state.path):
            self.lost(stripe, node, now)
            return [Release(stripe, node)]
        if not state.ready:
            state.ready, state.starved = True, False
            state.look_at = min(state.passed_over.values(), default=None)
        return []

    def beat(self, stripe: Stripe, node: NodeId, *, starved: bool) -> None:
        """Note what a standby's heartbeat says."""
        if self.held(stripe) == node:
            self._stripes[stripe].starved = starved

    def lost(self, stripe: Stripe, node: NodeId, now: float) -> None:
        """Note that a standby refused, or that its link ended."""
        state = self._stripes[stripe]
        if self.held(stripe) == node:
            state.passed_over[node] = now + PASSED_OVER
            self._forget(state)
            state.look_at = now

    def taken(self, stripe: Stripe, node: NodeId) -> None:
        """Note that a standby is the parent now, or that its link is put to another use."""
        if self.held(stripe) == node:
            self._forget(self._stripes[stripe])

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
        late = state.held is not None and not state.ready
        if state.held is not None and late:
            node = NodeId(state.held.node)
            self.lost(stripe, node, now)
            commands.append(Release(stripe, node))
        state.passed_over = {n: until for n, until in state.passed_over.items() if until > now}
        best = self._best(stripe, state)
        state.look_at = min(state.passed_over.values(), default=None)
        if best is not None and state.held is not None and best.node == state.held.node:
            return commands
        if state.held is not None:
            commands.append(Release(stripe, NodeId(state.held.node)))
            self._forget(state)
        if best is not None:
            state.held, state.look_at = best, now + ANSWER_WAIT
            commands.append(Hold(stripe, best))
        return commands

    def _best(self, stripe: Stripe, state: _Stripe) -> Candidate | None:
        parent = state.path[-1].node if state.path else None
        for one in (*state.wished, *self.ancestors(stripe)):
            if one.node != parent and NodeId(one.node) not in state.passed_over:
                return one
        return None

    def _forget(self, state: _Stripe) -> None:
        state.held, state.ready, state.starved = None, False, False

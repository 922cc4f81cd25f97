"""Finding a parent for each stripe: candidates, probes, the nearest first (Zebra 3.5, design 5).

Rules
-----
1. All candidates are probed at once. The choice is made when all have answered, or `PROBE_WAIT`
   seconds after the first probe if one has: least `candidate delay + round trip / 2`.
2. Who refuses is passed over; who redirects adds its targets, each node once, `MAX_REDIRECTS` at
   most. When nobody is left the server proxy is asked for fresh candidates, naming those tried.
3. A redirect in session is make before break: the old parent is left after the first frame in
   sequence from the new one. It is ignored where it does not come from the current parent.
4. When a parent is lost its standby is asked first, for what comes behind the last number held;
   without one the loss is reported with ParentLost, and `Candidates` is the answer. Asking is
   repeated with a pause, never given up: the player is told by its own timeout. While the server
   proxy does not answer, the ancestors above the parent are asked. A child that meanwhile finds
   another parent is asked first of all.
5. A silent or slow parent is suspected, not left: it goes on until another one delivers. A starved
   one is waited for: whoever is next to the broken link acts. Nor is the server proxy asked for
   another parent than a starved one while it does not answer: what has died may be that.
"""

from collections.abc import Sequence

from clientproxy.core.joining import (
    MAX_PASSED,
    STARVED_AFTER,
    STARVED_ASK,
    Command,
    Drop,
    LeaveParent,
    Release,
    Tell,
)
from clientproxy.core.seeking import Seeking, refused
from common.fields import MAX_REDIRECTS, Candidate, LostReason, PathEntry
from common.ids import NodeId, Stripe
from common.messages import AttachedReport


class ParentSearch(Seeking):
    """The parents of one node in all stripes of a channel."""

    __slots__ = ()

    def parent(self, stripe: Stripe) -> NodeId | None:
        """Return the current parent."""
        return self._states[stripe].parent

    def parents(self) -> list[NodeId | None]:
        """Return the current parents in all stripes."""
        return [state.parent for state in self._states]

    def on_the_way(self, stripe: Stripe) -> bool:
        """Return whether there is a parent, but another is looked for: it sent the node on."""
        state = self._states[stripe]
        return state.parent is not None and state.seek is not None

    @property
    def attached(self) -> bool:
        """Whether every stripe has a parent."""
        return None not in self.parents()

    # --- what the server proxy says

    def candidates(
        self, stripe: Stripe, candidates: Sequence[Candidate], retry_after: float, now: float
    ) -> list[Command]:
        """Take candidates for a stripe without a parent.

        None, or only such as were tried: all are worth a try again after `retry_after` seconds.
        Raises BadMessageError for a stripe that there is not.
        """
        state = self._state(stripe)
        state.unanswered = False
        if (state.parent is not None and not state.suspect) or state.seek is not None:
            return []
        if all(one.node in state.known for one in candidates):
            state.ask_at = now + max(0.05, retry_after)
            state.in_vain += 1
            # The parent that was lost holds a slot, perhaps for nothing: each second time whoever
            # is asked hears that nobody need be sent to it.
            dead = state.lost if self.way_in.redirect and state.in_vain % 2 else None
            state.tried = [] if dead is None else [dead]
            return []
        state.ask_at = None
        return self._begin(stripe, candidates, now)

    def redirected(
        self, stripe: Stripe, parent: NodeId, targets: Sequence[Candidate], now: float
    ) -> list[Command]:
        """Take a Redirect in session; raises BadMessageError for a stripe that there is not."""
        state = self._state(stripe)
        if state.parent != parent or state.seek is not None:
            return []
        state.tried = [parent]
        return self._begin(stripe, targets, now)

    def standby(self, stripe: Stripe, candidates: Sequence[Candidate], now: float) -> None:
        """Take whom the server proxy wants to stand by.

        Raises BadMessageError for a stripe that there is not.
        """
        self._state(stripe)
        self.standbys.wish(stripe, candidates, now)

    # --- what candidates say

    def sent_on(
        self, stripe: Stripe, node: NodeId, targets: Sequence[Candidate], now: float
    ) -> list[Command]:
        """Take a Redirect that answers Attach."""
        state = self._states[stripe]
        seek = state.seek
        if seek is None or seek.asked is None or seek.asked.node != node:
            return []
        known, asked = {*state.tried, state.parent}, seek.asked
        seek.asked = None
        if self.standbys.linked(stripe, node) and all(one.node in known for one in targets):
            # RESUME cannot say where this node has been: Attach can.
            self.standbys.taken(stripe, node)
            seek.answered[node] = (0.0, 0, asked)
            return [Release(stripe, node), *self._choose(stripe, now)]
        state.tried.append(node)
        refused(state, node, "sends on to " + ", ".join(one.node for one in targets))
        seek.redirects += 1
        commands: list[Command] = []
        if seek.redirects <= MAX_REDIRECTS:
            commands += self._probe(stripe, targets, now)
        return commands + self._choose(stripe, now)

    def accepted(
        self, stripe: Stripe, node: NodeId, first: int, *, hole: int = 0, now: float = 0.0
    ) -> list[Command]:
        """Note a candidate's yes: the parent now, unless another may have its `hole` packets."""
        state = self._states[stripe]
        seek = state.seek
        if seek is None or seek.asked is None or seek.asked.node != node:
            self.standbys.lost(stripe, node, now)
            return [LeaveParent(stripe, node)]
        kept = state.parent is not None and not state.suspect
        if hole and (kept or state.passed < MAX_PASSED):
            state.passed += 1
            return [Drop(stripe, node), *self.failed(stripe, node, now)]
        commands: list[Command] = [
            Drop(stripe, other)
            for other in (*seek.waiting, *seek.answered)
            if other != node and not self.standbys.linked(stripe, other)
        ]
        self.standbys.taken(stripe, node)
        lost, reason = (None, None) if state.lost is None else (state.lost, state.reason)
        if state.parent is not None and state.previous is not None:
            # Moved on before it delivered anything: the one before it still does.
            commands.append(LeaveParent(stripe, state.parent))
        else:
            state.previous = state.parent
        state.seek, state.parent = None, node
        state.tried, state.orphan, state.lost, state.passed = [], False, None, 0
        state.suspect, state.ask_at, state.starved_since = False, None, None
        state.in_vain = 0
        state.refusals.clear()
        state.left_by.clear()
        report = AttachedReport(stripe=stripe, parent=node, first=first, lost=lost, reason=reason)
        return [*commands, Tell(report)]

    def delivered(self, stripe: Stripe, node: NodeId) -> list[Command]:
        """Note the first frame in sequence from a new parent: the old one is left."""
        state = self._states[stripe]
        if state.parent != node or state.previous is None:
            return []
        previous, state.previous = state.previous, None
        return [LeaveParent(stripe, previous)]

    def ended(
        self, stripe: Stripe, node: NodeId, reason: LostReason, newest: int, now: float
    ) -> list[Command]:
        """Note that the link with a parent, or with one whose yes could not be taken, ended.

        `newest` is the last sequence number held.
        """
        state = self._states[stripe]
        if state.previous == node:
            state.previous = None
            return []
        if state.parent != node:  # what it said with its yes was absurd
            return self.failed(stripe, node, now, reason)
        state.parent, state.previous = state.previous, None
        if state.parent is not None:
            return [Tell(AttachedReport(stripe=stripe, parent=state.parent, first=newest + 1))]
        state.lost, state.reason, state.orphan, state.suspect = node, reason, True, False
        if node not in state.tried:
            state.tried.append(node)
        return [] if state.seek is not None else self._recover(stripe, newest, now)

    def silent(
        self, stripe: Stripe, node: NodeId, newest: int, now: float, reason: LostReason = "silent"
    ) -> list[Command]:
        """Note that the parent is silent, or slow: look for another."""
        state = self._states[stripe]
        if state.parent != node or state.suspect:
            return []
        state.suspect, state.orphan = True, True
        state.lost, state.reason, state.tried = node, reason, [node]
        return [] if state.seek is not None else self._recover(stripe, newest, now)

    def heard_again(self, stripe: Stripe, node: NodeId, newest: int) -> list[Command]:
        """Note that a silent parent is back; the server proxy may think otherwise."""
        state = self._states[stripe]
        if state.parent != node or not state.suspect:
            return []
        state.suspect, state.lost, state.ask_at = False, None, None
        state.left_by.clear()
        return [Tell(AttachedReport(stripe=stripe, parent=node, first=newest + 1))]

    def beat(
        self, stripe: Stripe, node: NodeId, newest: int, now: float, *, starved: bool
    ) -> list[Command]:
        """Take what the heartbeat of a parent or a standby says of its own parent link."""
        state = self._states[stripe]
        self.standbys.beat(stripe, node, now, starved=starved)
        if state.parent != node:
            return []
        if not starved:
            state.starved_since = None
            # Who is slow is heard all the time: the lag says when that is over.
            return [] if state.reason == "slow" else self.heard_again(stripe, node, newest)
        if state.starved_since is None:
            state.starved_since = now
        waited = now - state.starved_since
        if state.seek is not None or state.suspect or waited < STARVED_AFTER:
            return []
        helped = self.standbys.heard_since(stripe, state.starved_since)
        if not helped and (waited < STARVED_ASK or not self._served):
            return []
        state.starved_since = now
        return self.silent(stripe, node, newest, now)

    def path_told(
        self, stripe: Stripe, node: NodeId, path: Sequence[PathEntry], now: float
    ) -> list[Command]:
        """Take the way from the server proxy to a parent or a standby, itself included."""
        state = self._states[stripe]
        if state.parent == node:
            state.starved_since = None
            self.standbys.parent_path(stripe, path, now)
            return []
        return self.standbys.path_told(stripe, node, path, now)

    def standby_lost(self, stripe: Stripe, node: NodeId, now: float) -> list[Command]:
        """Note that a standby refused, or that its link ended."""
        self.standbys.lost(stripe, node, now)
        seek = self._states[stripe].seek
        if seek is None or seek.asked is None or seek.asked.node != node:
            return []
        return self.failed(stripe, node, now)

    def ask_again(self, newest: Sequence[int], now: float) -> list[Command]:
        """Report every stripe without a parent and without a search: the control link is up."""
        return [
            command
            for stripe, state in enumerate(self._states)
            if state.parent is None and state.seek is None
            for command in self._report(Stripe(stripe), newest[stripe], now)
        ]

    # --- time

    def next_deadline(self) -> float | None:
        """Return when `expire` has something to do."""
        times = [state.ask_at for state in self._states if state.ask_at is not None]
        if (look_at := self.standbys.next_deadline()) is not None:
            times.append(look_at)
        for state in self._states:
            if (seek := state.seek) is not None:
                choosing = seek.answered and seek.asked is None
                times.append(seek.choose_at if choosing else seek.give_up_at)
        return min(times, default=None)

    def expire(self, newest: Sequence[int], now: float) -> list[Command]:
        """Choose among those who have answered, pass over those who have not, ask again."""
        searching = [n for n, one in enumerate(self._states) if one.seek or one.parent is None]
        commands = self.standbys.expire(now, searching)
        for number, state in enumerate(self._states):
            stripe = Stripe(number)
            if (seek := state.seek) is not None:
                if now >= seek.give_up_at:
                    commands += self._give_up(stripe, seek, now)
                else:
                    commands += self._choose(stripe, now)
            if state.seek is None and state.ask_at is not None and now >= state.ask_at:
                commands += self._recover(stripe, newest[number], now)
        return commands

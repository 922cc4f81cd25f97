"""Finding a parent for each stripe: candidates, probes, the nearest first (Zebra 3.5, design 5).

Rules
-----
1. All candidates are probed at once. The choice is made when all have answered, or `PROBE_WAIT`
   seconds after the first probe if one has: least `candidate delay + round trip / 2`.
2. Who refuses is passed over; who redirects adds its targets, each node once, `MAX_REDIRECTS` at
   most. When nobody is left the server proxy is asked for fresh candidates, naming those tried.
3. A redirect in session is make before break: the old parent is left after the first frame in
   sequence from the new one. It is ignored where it does not come from the current parent.
4. A lost parent is reported with ParentLost; `Candidates` is the answer. Asking is repeated with a
   pause, never given up: the player is told by its own timeout.
"""

from collections.abc import Sequence

from clientproxy.core.joining import (
    ANSWER_WAIT,
    ASK_AGAIN,
    MAX_PASSED,
    MOST_TRIED,
    PROBE_WAIT,
    Ask,
    Command,
    Drop,
    LeaveParent,
    Probe,
    Seek,
    StripeSearch,
    Tell,
)
from common.errors import BadMessageError
from common.fields import MAX_REDIRECTS, Candidate, LostReason
from common.ids import NodeId, Stripe
from common.messages import AttachedReport, ParentLost, ProbeReply


class ParentSearch:
    """The parents of one node in all stripes of a channel."""

    def __init__(self, stripes: int) -> None:
        """Start without parents."""
        self._states = [StripeSearch() for _ in range(stripes)]

    def parent(self, stripe: Stripe) -> NodeId | None:
        """Return the current parent."""
        return self._states[stripe].parent

    @property
    def attached(self) -> bool:
        """Whether every stripe has a parent."""
        return all(state.parent is not None for state in self._states)

    # --- what the server proxy says

    def candidates(
        self, stripe: Stripe, candidates: Sequence[Candidate], retry_after: float, now: float
    ) -> list[Command]:
        """Take candidates for a stripe without a parent.

        None, or only such as were tried: all are worth a try again after `retry_after` seconds.
        Raises BadMessageError for a stripe that there is not.
        """
        state = self._state(stripe)
        if state.parent is not None or state.seek is not None:
            return []
        if all(one.node in state.tried for one in candidates):
            state.ask_at = now + max(0.05, retry_after)
            state.tried.clear()
            return []
        state.ask_at = None
        return self._begin(stripe, candidates, now)

    def redirected(
        self, stripe: Stripe, parent: NodeId, targets: Sequence[Candidate], now: float
    ) -> list[Command]:
        """Take a Redirect in session, from the parent itself or from the server proxy.

        Raises BadMessageError for a stripe that there is not.
        """
        state = self._state(stripe)
        if state.parent != parent or state.seek is not None:
            return []
        state.tried = [parent]
        return self._begin(stripe, targets, now)

    # --- what candidates say

    def probed(
        self, stripe: Stripe, node: NodeId, reply: ProbeReply, rtt: float, now: float
    ) -> list[Command]:
        """Take an answer to a probe."""
        state = self._states[stripe]
        seek = state.seek
        if seek is None or (candidate := seek.waiting.pop(node, None)) is None:
            return []
        if stripe not in reply.stripes:
            state.tried.append(node)
            return [Drop(stripe, node), *self._choose(stripe, now)]
        score = max(0.0, reply.delay) + rtt / 2
        seek.answered[node] = (score, len(seek.answered), candidate)
        return self._choose(stripe, now)

    def failed(self, stripe: Stripe, node: NodeId, now: float) -> list[Command]:
        """Note that a candidate cannot be reached, refused, or ended the link before Attached."""
        state = self._states[stripe]
        seek = state.seek
        if seek is None:
            return []
        seek.waiting.pop(node, None)
        seek.answered.pop(node, None)
        if seek.asked is not None and seek.asked.node == node:
            seek.asked = None
        if node not in state.tried:
            state.tried.append(node)
        return self._choose(stripe, now)

    def sent_on(
        self, stripe: Stripe, node: NodeId, targets: Sequence[Candidate], now: float
    ) -> list[Command]:
        """Take a Redirect that answers Attach."""
        state = self._states[stripe]
        seek = state.seek
        if seek is None or seek.asked is None or seek.asked.node != node:
            return []
        seek.asked = None
        state.tried.append(node)
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
            return [LeaveParent(stripe, node)]
        if hole and (state.parent is not None or state.passed < MAX_PASSED):
            state.passed += 1
            return [Drop(stripe, node), *self.failed(stripe, node, now)]
        commands: list[Command] = [
            Drop(stripe, other) for other in (*seek.waiting, *seek.answered) if other != node
        ]
        if state.parent is not None and state.previous is not None:
            # Moved on before it delivered anything: the one before it still does.
            commands.append(LeaveParent(stripe, state.parent))
        else:
            state.previous = state.parent
        state.seek, state.parent = None, node
        state.tried, state.orphan, state.lost, state.passed = [], False, None, 0
        return [*commands, Tell(AttachedReport(stripe=stripe, parent=node, first=first))]

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
        """Note that the link with a parent ended; `newest`: last sequence number held."""
        state = self._states[stripe]
        if state.previous == node:
            state.previous = None
            return []
        if state.parent != node:
            return []
        state.parent, state.previous = state.previous, None
        if state.parent is not None:
            return [Tell(AttachedReport(stripe=stripe, parent=state.parent, first=newest + 1))]
        state.lost, state.reason, state.orphan = node, reason, True
        if node not in state.tried:
            state.tried.append(node)
        if state.seek is not None:
            return []
        return self._report(stripe, newest, now)

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
        for state in self._states:
            if (seek := state.seek) is not None:
                choosing = seek.answered and seek.asked is None
                times.append(seek.choose_at if choosing else seek.give_up_at)
        return min(times, default=None)

    def expire(self, newest: Sequence[int], now: float) -> list[Command]:
        """Choose among those who have answered, pass over those who have not, ask again."""
        commands: list[Command] = []
        for number, state in enumerate(self._states):
            stripe = Stripe(number)
            if (seek := state.seek) is not None:
                if now >= seek.give_up_at:
                    commands += self._give_up(stripe, seek, now)
                else:
                    commands += self._choose(stripe, now)
            if state.seek is None and state.ask_at is not None and now >= state.ask_at:
                commands += self._report(stripe, newest[number], now)
        return commands

    # --- inside

    def _state(self, stripe: Stripe) -> StripeSearch:
        if stripe >= len(self._states):
            raise BadMessageError(f"stripe {stripe} of a channel that has {len(self._states)}")
        return self._states[stripe]

    def _begin(self, stripe: Stripe, candidates: Sequence[Candidate], now: float) -> list[Command]:
        state = self._states[stripe]
        state.seek = Seek(choose_at=now + PROBE_WAIT, give_up_at=now + ANSWER_WAIT)
        return self._probe(stripe, candidates, now) + self._choose(stripe, now)

    def _probe(self, stripe: Stripe, candidates: Sequence[Candidate], now: float) -> list[Command]:
        state = self._states[stripe]
        assert state.seek is not None
        known = {*state.tried, *state.seek.waiting, *state.seek.answered}
        known |= {one for one in (state.parent, state.previous) if one is not None}
        new = [one for node, one in _by_node(candidates).items() if node not in known]
        state.seek.give_up_at = now + ANSWER_WAIT
        if len(new) == 1 and not state.seek.waiting and not state.seek.answered:
            # Nothing to compare: Attach goes out with the connection, a round trip earlier.
            state.seek.answered[NodeId(new[0].node)] = (0.0, 0, new[0])
            state.seek.choose_at = now
            return []
        state.seek.waiting |= {NodeId(one.node): one for one in new}
        state.seek.choose_at = now + PROBE_WAIT
        return [Probe(stripe, one) for one in new]

    def _choose(self, stripe: Stripe, now: float) -> list[Command]:
        state = self._states[stripe]
        seek = state.seek
        if seek is None or seek.asked is not None:
            return []
        if seek.answered and (not seek.waiting or now >= seek.choose_at):
            _, _, best = min(seek.answered.values(), key=lambda item: item[:2])
            del seek.answered[NodeId(best.node)]
            seek.asked = best
            seek.give_up_at = now + ANSWER_WAIT
            return [Ask(stripe, best, state.orphan, tuple(state.tried[-MAX_REDIRECTS:]))]
        if seek.waiting or seek.answered:
            return []
        state.seek = None
        if state.parent is None:
            state.ask_at = now
        else:
            state.tried.clear()
        return []

    def _give_up(self, stripe: Stripe, seek: Seek, now: float) -> list[Command]:
        """Pass over all that have not answered in time."""
        late = list(seek.waiting) if seek.asked is None else [NodeId(seek.asked.node)]
        seek.give_up_at = now + ANSWER_WAIT
        commands: list[Command] = [Drop(stripe, node) for node in late]
        for node in late:
            commands += self.failed(stripe, node, now)
        return commands

    def _report(self, stripe: Stripe, newest: int, now: float) -> list[Command]:
        state = self._states[stripe]
        state.ask_at = now + ASK_AGAIN
        # The server proxy places whoever asks as an orphan, a newcomer too: parents must agree.
        state.orphan = True
        del state.tried[:-MOST_TRIED]
        return [
            Tell(
                ParentLost(
                    stripe=stripe,
                    parent=state.lost,
                    reason=state.reason,
                    newest=newest,
                    tried=tuple(state.tried[-MAX_REDIRECTS:]),
                )
            )
        ]


def _by_node(candidates: Sequence[Candidate]) -> dict[NodeId, Candidate]:
    """Return each candidate once, in order."""
    found: dict[NodeId, Candidate] = {}
    for one in candidates:
        found.setdefault(NodeId(one.node), one)
    return found

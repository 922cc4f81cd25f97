"""One search for a parent: who is probed, who is chosen, when somebody is passed over."""

from collections.abc import Callable, Sequence

from clientproxy.core.joining import (
    ANSWER_WAIT,
    ASK_AGAIN,
    MOST_TRIED,
    PROBE_WAIT,
    RESUME_WAIT,
    Ask,
    Command,
    Drop,
    Probe,
    Release,
    Resume,
    Seek,
    StripeSearch,
    Tell,
)
from clientproxy.core.standby import Standbys
from common.attach import ProbeReply
from common.errors import BadMessageError
from common.fields import MAX_CANDIDATES, MAX_REDIRECTS, Candidate
from common.ids import ROOT, NodeId, Stripe
from common.messages import ParentLost
from common.policies import WayIn


class Seeking:
    """The searches of all stripes of one node (`join.ParentSearch`)."""

    __slots__ = ("_feeds", "_served", "_states", "standbys", "way_in")

    def __init__(
        self,
        stripes: int,
        way_in: WayIn | None = None,
        feeds: Callable[[Stripe], bool] = lambda _stripe: False,
    ) -> None:
        """Start without parents; `feeds` says whether the node has children in a stripe."""
        self._feeds = feeds
        self.way_in = WayIn() if way_in is None else way_in
        self._states = [StripeSearch() for _ in range(stripes)]
        self.standbys = Standbys(stripes, self.way_in)
        self._served = True

    def follow(self, way_in: WayIn) -> None:
        """Look for parents in another way from now on: the channel has other rules."""
        self.way_in = self.standbys.way_in = way_in

    def suspects(self, stripe: Stripe) -> bool:
        """Whether another parent is looked for because of the present one."""
        return self._states[stripe].suspect

    def why_not(self) -> str | None:
        """Return why a stripe has no parent, if all were asked in vain; None: there is hope."""
        for stripe, state in enumerate(self._states):
            if state.in_vain and state.parent is None:
                said = "; ".join(f"{node}: {why}" for node, why in state.refusals.items())
                return f"no parent in stripe {stripe} ({said or 'nobody was named'})"
        return None

    def served(self, now: float, *, answers: bool) -> None:
        """Note whether the server proxy answers: while it does not, all may be starved by that."""
        if answers and not self._served:
            for state in self._states:
                state.starved_since = None if state.starved_since is None else now
        self._served = answers

    def begin_anew(self, now: float) -> None:
        """Forget who was asked in vain, and wishes: the server proxy is another process."""
        for stripe, state in enumerate(self._states):
            state.tried, state.unanswered = [], False
            self.standbys.wish(Stripe(stripe), (), now)

    def _state(self, stripe: Stripe) -> StripeSearch:
        if stripe >= len(self._states):
            raise BadMessageError(f"stripe {stripe} of a channel that has {len(self._states)}")
        return self._states[stripe]

    def _begin(self, stripe: Stripe, candidates: Sequence[Candidate], now: float) -> list[Command]:
        state = self._states[stripe]
        state.seek = Seek(choose_at=now + PROBE_WAIT, give_up_at=now + ANSWER_WAIT)
        state.ask_at = None
        return self._probe(stripe, candidates, now) + self._choose(stripe, now)

    def _probe(self, stripe: Stripe, candidates: Sequence[Candidate], now: float) -> list[Command]:
        state = self._states[stripe]
        assert state.seek is not None
        known = {*state.known, *state.seek.waiting, *state.seek.answered}
        new = [one for node, one in _by_node(candidates).items() if node not in known]
        state.seek.give_up_at = now + ANSWER_WAIT
        commands: list[Command] = []
        ready = self.standbys.ready(stripe)
        for one in [one for one in new if self.standbys.linked(stripe, NodeId(one.node))]:
            node = NodeId(one.node)
            if ready is not None and ready.node == node:
                # It is connected: there is nothing to probe.
                new.remove(one)
                order = len(state.seek.answered)
                state.seek.answered[node] = (max(0.0, one.delay), order, one)
            else:
                self.standbys.taken(stripe, node)
                commands.append(Release(stripe, node))
        alone = len(new) == 1 and not state.seek.waiting and not state.seek.answered
        if alone and not self.way_in.measured:
            # Nothing to compare: Attach goes out with the connection, a round trip earlier.
            state.seek.answered[NodeId(new[0].node)] = (0.0, 0, new[0])
            state.seek.choose_at = now
            return commands
        state.seek.waiting |= {NodeId(one.node): one for one in new}
        state.seek.choose_at = now + PROBE_WAIT
        return [*commands, *(Probe(stripe, one) for one in new)]

    def _choose(self, stripe: Stripe, now: float) -> list[Command]:
        state = self._states[stripe]
        seek = state.seek
        if seek is None or seek.asked is not None:
            return []
        if seek.answered and (not seek.waiting or now >= seek.choose_at):
            _, _, best = min(seek.answered.values(), key=lambda item: item[:2])
            del seek.answered[NodeId(best.node)]
            seek.asked = best
            ready = self.standbys.ready(stripe)
            if ready is not None and ready.node == best.node:
                seek.give_up_at = now + RESUME_WAIT
                return [Resume(stripe, NodeId(best.node))]
            seek.give_up_at = now + ANSWER_WAIT
            commands: list[Command] = []
            if self.standbys.linked(stripe, NodeId(best.node)):  # starved by now: begin anew
                self.standbys.taken(stripe, NodeId(best.node))
                commands.append(Release(stripe, NodeId(best.node)))
            return [*commands, Ask(stripe, best, state.orphan, _told(state.tried))]
        if seek.waiting or seek.answered:
            return []
        state.seek = None
        if state.parent is None or state.suspect:
            state.ask_at = now
        else:
            state.tried.clear()
        return []

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
        score = (0.0 if self.way_in.by_rtt else max(0.0, reply.delay)) + rtt / 2
        seek.answered[node] = (score, len(seek.answered), candidate)
        return self._choose(stripe, now)

    def failed(self, stripe: Stripe, node: NodeId, now: float, why: str = "") -> list[Command]:
        """Note that a candidate cannot be reached, refused, or ended the link before Attached."""
        state = self._states[stripe]
        refused(state, node, why or "no answer")
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

    def left_by(self, stripe: Stripe, child: Candidate, newest: int, now: float) -> list[Command]:
        """Note that a child has gone, which a new parent feeds: it may feed this node in turn.

        Who hangs under the server proxy itself has no standby, and nobody else whom it could ask
        where that is out of reach; once its children have passed it by, these can help.
        """
        state = self._states[stripe]
        if not child.addresses or (state.parent is not None and not state.suspect):
            return []
        state.left_by = [child, *state.left_by][:MAX_CANDIDATES]
        return [] if state.seek is not None else self._recover(stripe, newest, now)

    def _recover(self, stripe: Stripe, newest: int, now: float) -> list[Command]:
        """Look for a parent: the standby, who was a child, the server proxy or the ancestors."""
        state = self._states[stripe]
        if commands := self._resume(stripe, now):
            return commands
        if (target := self._after(stripe)) is not None:
            state.orphan = True
            return self._begin(stripe, [target], now)
        alone = state.unanswered or not self._served
        others = [*state.left_by, *(self._within_reach(stripe) if alone else ())]
        if untried := [one for one in others if one.node not in state.known]:
            return self._begin(stripe, untried, now)
        if alone:
            names = {one.node for one in others}
            state.tried = [node for node in state.tried if node not in names]
        return self._report(stripe, newest, now)

    def _within_reach(self, stripe: Stripe) -> list[Candidate]:
        """Return who may help while the server proxy does not answer: the ancestors.

        A child of the server proxy has none. Where only its own way there may be cut, and it has no
        children, it asks those above it in the other stripes: it closes no cycle wherever it hangs.
        """
        above = self.standbys.ancestors(stripe)
        if above or self._feeds(stripe) or self._states[stripe].reason == "closed":
            return above
        return self.standbys.above_elsewhere(stripe)

    def _after(self, stripe: Stripe) -> Candidate | None:
        """Return where the delete policy sends an orphan, if it was not there."""
        above = self.standbys.ancestors(stripe) if self.way_in.redirect else []
        return above[0] if above and above[0].node not in self._states[stripe].known else None

    def _resume(self, stripe: Stripe, now: float) -> list[Command]:
        """Ask the standby, if there is one that has not been asked."""
        state, ready = self._states[stripe], self.standbys.ready(stripe)
        if ready is None or ready.node in state.tried:
            return []
        state.orphan, state.ask_at = True, None
        state.seek = Seek(asked=ready, give_up_at=now + RESUME_WAIT)
        return [Resume(stripe, NodeId(ready.node))]

    def _give_up(self, stripe: Stripe, seek: Seek, now: float) -> list[Command]:
        """Pass over all that have not answered in time."""
        late = list(seek.waiting) if seek.asked is None else [NodeId(seek.asked.node)]
        seek.give_up_at = now + ANSWER_WAIT
        commands: list[Command] = [Drop(stripe, node) for node in late]
        for node in late:
            self.standbys.lost(stripe, node, now)
            commands += self.failed(stripe, node, now)
        return commands

    def _report(self, stripe: Stripe, newest: int, now: float) -> list[Command]:
        state = self._states[stripe]
        state.ask_at, state.unanswered = now + ASK_AGAIN, True
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
                    tried=_told(state.tried),
                )
            )
        ]


def _told(tried: list[NodeId]) -> tuple[NodeId, ...]:
    """Return whom to name as tried: the last, and the server proxy, who wants to know of itself."""
    last = tried[-MAX_REDIRECTS:]
    return tuple([ROOT, *last[1:]] if ROOT in tried and ROOT not in last else last)


def refused(state: StripeSearch, node: NodeId, why: str) -> None:
    """Keep in mind why a node did not become the parent."""
    state.refusals.pop(node, None)
    state.refusals[node] = why
    while len(state.refusals) > MAX_REDIRECTS:
        del state.refusals[next(iter(state.refusals))]


def _by_node(candidates: Sequence[Candidate]) -> dict[NodeId, Candidate]:
    """Return each candidate once, in order."""
    found: dict[NodeId, Candidate] = {}
    for one in candidates:
        found.setdefault(NodeId(one.node), one)
    return found

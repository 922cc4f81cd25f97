"""Nodes that the operator sends away: who does not go is shut out.

Rules
-----
1. A node that was told to go has `GOES_WITHIN` seconds to say Leave; it hands its children over.
2. One that has not said so is shut out: its control link is refused, also when it comes back under
   its id, the server proxy ends its own links with it, and nobody is taken to hang under it.
3. Parents that report it as a child are told to end its links too, and to take it no more
   (Dismiss). They report every two seconds.
"""

from collections.abc import Iterable

from common.fields import KICKED, STAYS_AWAY, StripeReport
from common.ids import ROOT, NodeId, Stripe
from common.messages import Closed, Dismiss
from serverproxy.core.directory import Directory
from serverproxy.core.members import Command, Refuse, Send
from serverproxy.core.tree import Trees

GOES_WITHIN = 5.0
"""Seconds that a node may take to go."""
MAX_SHUT_OUT = 256
"""Nodes that are remembered as shut out; then the first is forgotten."""


class SentAway(Directory):
    """The nodes of one channel, and those of them that are not wanted."""

    def __init__(self, trees: Trees, *, stripes: int, grace: float) -> None:
        """Start with nobody."""
        super().__init__(trees, stripes=stripes, grace=grace)
        self._now = 0.0
        self._told_to_go: dict[NodeId, tuple[float, str]] = {}
        """Until when it may take to go, and what it was told."""
        self._shut_out: dict[NodeId, str] = {}

    def send_away(self, node: NodeId, sentence: str, now: float) -> list[Command]:
        """Tell a node to go."""
        self._told_to_go.setdefault(node, (now + GOES_WITHIN, sentence))
        return [Send(node, Closed(reason=KICKED, sentence=sentence))]

    def attached(self, node: NodeId, stripe: Stripe, parent: NodeId, now: float) -> None:
        """Note what a node says of its parent; who is shut out is none."""
        if parent not in self._shut_out:
            super().attached(node, stripe, parent, now)
        elif self.trees.parent(node, stripe) is not None:
            self.detached(node, stripe)  # it hangs no more where it hung

    def next_late(self) -> float | None:
        """Return when `shut_out` has something to do."""
        return min((until for until, _ in self._told_to_go.values()), default=None)

    def shut_out(self, now: float) -> list[Command]:
        """Have done with those who were told to go and have not."""
        commands: list[Command] = []
        for node, (until, sentence) in list(self._told_to_go.items()):
            if until > now:
                continue
            del self._told_to_go[node]
            if node in self.members:
                self._shut_out[node] = sentence
                away = Send(ROOT, Dismiss(node=node))
                commands += [*self.refusal(node), away, *self.forget(node)]
        while len(self._shut_out) > MAX_SHUT_OUT:
            del self._shut_out[next(iter(self._shut_out))]
        return commands

    def refusal(self, node: NodeId) -> list[Command]:
        """Return what a node is told that is shut out; nothing: it is not."""
        sentence = self._shut_out.get(node)
        return [] if sentence is None else [Refuse(node, KICKED, sentence, STAYS_AWAY)]

    def dismissals(self, parent: NodeId, reports: Iterable[StripeReport]) -> list[Command]:
        """Tell a parent of whom it shall not feed."""
        if not self._shut_out:
            return []
        children = dict.fromkeys(NodeId(child) for one in reports for child in one.children)
        return [Send(parent, Dismiss(node=c)) for c in children if c in self._shut_out]

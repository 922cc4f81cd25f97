"""What a parent answers whoever asks it for a stripe, or how far away it is: Probe and Attach."""

from collections.abc import Callable, Sequence

from common.attach import Attach, Probe, ProbeReply
from common.children import Admit, Children, Refuse, SendAway
from common.codec import decode_from_prober
from common.fields import KICKED, PathEntry
from common.ids import NodeId, Stripe
from common.messages import VERSION, Message, Redirect, Refused
from common.runtime.childfeed import DownlinkStats, Upstream
from common.runtime.link import Link, Undecided
from common.stripelog import StripeLog

MAX_DISMISSED = 64
"""Nodes that one parent takes no more; then the first is forgotten."""

Take = Callable[[Link, Attach, Sequence[PathEntry], NodeId | None], None]
"""What is done with a child that is admitted: its link, what it asked, the parent's path, and the
leaf in whose place it comes."""


class Admission:
    """Answers those who come to a parent, until they are its children or sent on."""

    __slots__ = ("_children", "_dismissed", "_logs", "_stats", "_take", "_upstream")

    def __init__(
        self,
        logs: Sequence[StripeLog],
        children: Children,
        upstream: Upstream,
        stats: DownlinkStats,
        take: Take,
    ) -> None:
        """Speak for a parent with these logs, one for each stripe; `children` decides."""
        self._logs, self._children, self._upstream = logs, children, upstream
        self._stats, self._take = stats, take
        self._dismissed: dict[NodeId, None] = {}

    def asked(self, link: Link, request: Probe | Attach) -> None:
        """Answer a Probe or an Attach; on the link of a Probe, Attach may follow."""
        if request.version != VERSION:
            self._refuse(link, "version", f"I speak version {VERSION} of the overlay protocol")
        elif not self._upstream.accepts(request.group_key):
            self._refuse(link, "unauthorized", "this is not the group key of the channel")
        elif isinstance(request, Attach) and request.node in self._dismissed:
            self._refuse(link, KICKED, "you were sent away by the operator of the server proxy")
        elif isinstance(request, Attach):
            self._attach(link, request)
        else:
            self._probe(link)

    def dismiss(self, node: NodeId) -> None:
        """Take a node no more that was sent away."""
        self._dismissed[node] = None
        if len(self._dismissed) > MAX_DISMISSED:
            del self._dismissed[next(iter(self._dismissed))]

    def answer(self, link: Link, message: Message) -> None:
        """Send a message; its bytes count as control."""
        before = link.sent_bytes
        link.send(message)
        self._stats.control_bytes += link.sent_bytes - before

    def _probe(self, link: Link) -> None:
        stripes = range(len(self._logs))
        held = [s for s in stripes if self._upstream.path(Stripe(s)) is not None]
        newest = max((one.newest or 0 for one in self._logs), default=0)
        free = max((self._children.free(Stripe(s)) for s in stripes), default=0)
        link.handler = _Probed(self)
        link.send(
            ProbeReply(
                stripes=tuple(held),
                newest=newest,
                delay=self._upstream.delay(),
                free_slots=max(0, free),
            )
        )

    def _attach(self, link: Link, request: Attach) -> None:
        stripe = Stripe(request.stripe)
        if stripe >= len(self._logs):
            self._refuse(link, "bad_request", f"this channel has {len(self._logs)} stripes")
            return
        path = self._upstream.path(stripe)
        if path is None:
            self._refuse(link, "detached", "I have no parent in this stripe myself")
            return
        ancestors = {NodeId(entry.node) for entry in path}
        ask = self._children.ask if request.active else self._children.hold
        match ask(request, ancestors):
            case Admit(instead_of):
                self._take(link, request, path, instead_of)
            case SendAway(targets):
                self.answer(link, Redirect(stripe=stripe, parent=path[-1].node, targets=targets))
                link.close("redirected")
            case Refuse(reason, sentence):
                self._refuse(link, reason, sentence)

    def _refuse(self, link: Link, reason: str, sentence: str) -> None:
        self._stats.refused[reason] = self._stats.refused.get(reason, 0) + 1
        self.answer(link, Refused(reason=reason, sentence=sentence))
        link.close(reason)


class _Probed(Undecided):
    """Handler of a link that was probed: Attach may follow."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def message(self, link: Link, text: bytes) -> None:
        self._admission.asked(link, decode_from_prober(text))

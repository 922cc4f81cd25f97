"""The links to parents: carries out what `ParentSearch` decides, and reads the stripes.

One `ParentLink` per stripe and candidate.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from clientproxy.core.join import ParentSearch
from clientproxy.core.joining import Command, Hold, Tell
from clientproxy.net.parentlink import ParentLink
from clientproxy.net.parentlinks import Membership, ParentLinks
from clientproxy.net.parentwatch import ParentWatch
from common.attach import ProbeReply
from common.codec import decode_end, decode_path, decode_redirect
from common.errors import BadFrameError
from common.fields import Candidate, LostReason, ServeFrame
from common.frame import FrameType, Heartbeat, Received, decode_resume
from common.ids import Address, NodeId, Stripe
from common.messages import Offer
from common.policies import way_in
from common.runtime.tasks import Tasks

log = logging.getLogger(__name__)


class Uplink:
    """All links to parents of one node."""

    __slots__ = (
        "_closed", "_loop", "_membership", "_stripes", "_timer", "_why_not", "channel", "links",
        "search", "watch",
    )  # fmt: skip

    def __init__(
        self,
        channel: str,
        server: Address,
        membership: Membership,
        tasks: Tasks,
        offer: Offer,
    ) -> None:
        """Start without parents; `server` is where the candidate without addresses listens."""
        self.search = ParentSearch(offer.stripes, feeds=membership.feeds)
        self.channel, self._membership, self._stripes = channel, membership, offer.stripes
        self.links = ParentLinks(self, membership, server, tasks, offer.group_key)
        self.watch = ParentWatch(self.links, self.search, membership, self.run, self._parent_lost)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._why_not: str | None = None
        self.offered(offer)

    # --- from the server proxy

    def offered(self, offer: Offer) -> None:
        """Take an Offer, the first, or one for the same place with other rules perhaps."""
        self.links.rekey(offer.group_key)
        self.search.follow(way_in(offer.join, offer.add_policy, offer.delete_policy))

    def candidates(
        self, stripe: Stripe, candidates: Sequence[Candidate], retry_after: float
    ) -> None:
        """Take candidates for a stripe."""
        now = self._loop.time()
        self.run(self.search.candidates(stripe, candidates, retry_after, now))
        why, self._why_not = self._why_not, self.search.why_not()
        if self._why_not is not None and why is None:
            log.warning("%s: asking again", self._why_not, extra=self.fields(stripe))

    def redirected(self, stripe: Stripe, parent: NodeId, targets: Sequence[Candidate]) -> None:
        """Take a redirect from the server proxy."""
        self.run(self.search.redirected(stripe, parent, targets, self._loop.time()))

    def standby(self, stripe: Stripe, candidates: Sequence[Candidate]) -> None:
        """Take whom the server proxy wants to stand by."""
        self.search.standby(stripe, candidates, self._loop.time())
        self._arm()

    def serving(self, frame: ServeFrame) -> None:
        """Tell all parents and standbys what this node serves now."""
        for link in self.links:
            link.tell_serve(frame)

    def ask_again(self) -> None:
        """Report what lacks a parent: the control link is up again."""
        self.run(self.search.ask_again(self._newest(), self._loop.time()))

    def left_by(self, stripe: Stripe, child: Candidate) -> None:
        """Take it that a child has found another parent."""
        newest = self._membership.newest(stripe)
        self.run_if(self.search.left_by(stripe, child, newest, self._loop.time()))

    def close(self) -> None:
        """Say bye to all parents; look for no other."""
        self._closed = True
        self.links.close()
        if self._timer is not None:
            self._timer.cancel()

    def give_up(self, stripe: Stripe, reason: LostReason) -> None:
        """Leave the parent of a stripe at once."""
        if (link := self._current(stripe)) is not None:
            link.give_up(reason)

    def silent(self, stripe: Stripe) -> bool:
        """Return whether nothing comes from the parent of a stripe."""
        link = self._current(stripe)
        return link is not None and link.silent

    def peer(self, stripe: Stripe) -> Address | None:
        """Return where the parent is."""
        link = self._current(stripe)
        return None if link is None else link.peer

    def rtt(self, stripe: Stripe) -> float:
        """Return the last round trip on the link to the parent, in seconds."""
        link = self._current(stripe)
        return 0.0 if link is None else link.rtt

    def lag(self, stripe: Stripe) -> int:
        """Return how far the node is behind its parent's newest, in sequence numbers."""
        link = self._current(stripe)
        return 0 if link is None else max(0, link.newest - self._membership.newest(stripe))

    def behind(self, stripe: Stripe) -> float:
        """Return how long a packet takes from the parent, in seconds more than at best."""
        link = self._current(stripe)
        return 0.0 if link is None else link.lag.seconds

    def _current(self, stripe: Stripe) -> ParentLink | None:
        parent = self.search.parent(stripe)
        return None if parent is None else self.links.get(stripe, parent)

    def fields(self, stripe: Stripe) -> Mapping[str, object]:
        """Conform to parentlink.Owner."""
        return self._membership.fields(stripe)

    # --- carrying out

    def run(self, commands: Sequence[Command]) -> None:
        """Carry out what the search decided and arm its timer."""
        if self._closed:
            return
        for command in commands:
            stripe = Stripe(command.message.stripe if isinstance(command, Tell) else command.stripe)
            log.debug("%s", command, extra=self.fields(stripe))
            if isinstance(command, Tell):
                self._membership.tell(command.message)
            elif isinstance(command, Hold) and not self.links.free(command):
                now, node = self._loop.time(), NodeId(command.candidate.node)
                self.search.standbys.lost(command.stripe, node, now)
            else:
                self.links.carry_out(command)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (deadline := self.search.next_deadline()) is not None:
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        now = self._loop.time()
        if (deadline := self.search.next_deadline()) is not None:
            now = max(now, deadline)
        self.run(self.search.expire(self._newest(), now))

    def _newest(self) -> list[int]:
        return [self._membership.newest(Stripe(stripe)) for stripe in range(self._stripes)]

    # --- from the links

    def probed(self, link: ParentLink, reply: ProbeReply, rtt: float) -> None:
        """Take the answer to a probe."""
        now = self._loop.time()
        self.run(self.search.probed(link.stripe, link.node, reply, rtt, now))

    def accepted(self, link: ParentLink, first: int) -> None:
        """Take a parent's yes."""
        stripe, hole = link.stripe, self._membership.hole(link.stripe, first)
        now = self._loop.time()
        commands = self.search.accepted(stripe, link.node, first, hole=hole, now=now)
        link.standby = False
        link.lag.feeds(now)
        if self.search.parent(stripe) == link.node:
            self._membership.attached_to(stripe, link.node, first)
        self.run(commands)
        self._path_told(link)

    def held(self, link: ParentLink) -> None:
        """Take a standby's yes."""
        self._path_told(link)

    def _path_told(self, link: ParentLink) -> None:
        """Take the path of a parent or of a standby."""
        if self.search.parent(link.stripe) == link.node:
            self._membership.path_changed(link.stripe, link.path)
        now = self._loop.time()
        self.run(self.search.path_told(link.stripe, link.node, link.path, now))

    def sent_on(self, link: ParentLink, targets: Sequence[Candidate]) -> None:
        """Take a Redirect that answers Attach."""
        self.links.forget(link)
        self.run(self.search.sent_on(link.stripe, link.node, targets, self._loop.time()))

    def failed(self, link: ParentLink, reason: str) -> None:
        """Note that a candidate did not become a parent."""
        log.debug("candidate %s: %s", link.node, reason, extra=self.fields(link.stripe))
        if self.links.forget(link):
            now = self._loop.time()
            if link.standby:
                self.run(self.search.standby_lost(link.stripe, link.node, now))
            else:
                self.run(self.search.failed(link.stripe, link.node, now, reason))

    def frames(self, link: ParentLink, received: Received) -> None:
        """Take what a parent sent."""
        if link.standby:
            received = self._from_standby(link, received)
        if received.packets:
            self._membership.take(link.stripe, received, parent=link.node)
            if commands := self.search.delivered(link.stripe, link.node):
                self.run(commands)
        for kind, body in received.control:
            self._control(link, kind, body)

    def _from_standby(self, link: ParentLink, received: Received) -> Received:
        """Take RESUME first: it says from where on, and whether what was sent behind it counts."""
        for kind, body in received.control:
            self._control(link, kind, body)
        feeds = not link.standby and self.links.get(link.stripe, link.node) is link
        return Received(received.packets if feeds else [], received.frames, [])

    def run_if(self, commands: Sequence[Command]) -> None:
        """Carry out commands where there are any: the hot path re-arms no timer."""
        if commands:
            self.run(commands)

    def _control(self, link: ParentLink, kind: FrameType, body: bytes) -> None:
        match kind:
            case FrameType.HEARTBEAT:
                self.heartbeat(link, Heartbeat.decode(body))
            case FrameType.PATH:
                link.path = decode_path(body)
                self._path_told(link)
            case FrameType.RESUME if link.standby:
                self.accepted(link, decode_resume(body))
            case FrameType.REDIRECT if link.standby:
                targets, now = decode_redirect(body).targets, self._loop.time()
                self.run(self.search.sent_on(link.stripe, link.node, targets, now))
            case FrameType.REDIRECT:
                frame = decode_redirect(body)
                if frame.everyone and self.search.parent(link.stripe) == link.node:
                    self._membership.pass_on(link.stripe, frame.targets)
                self.redirected(link.stripe, link.node, frame.targets)
            case FrameType.END:
                reason = decode_end(body).reason
                log.debug("parent %s: %s", link.node, reason, extra=self.fields(link.stripe))
                link.give_up("end")
            case _:
                raise BadFrameError(f"frame {kind.name} from a parent")

    def heartbeat(self, link: ParentLink, beat: Heartbeat) -> None:
        """Take the heartbeat of a parent or of a standby."""
        now, stripe = self._loop.time(), link.stripe
        newest = self._membership.newest(stripe)
        link.heard_beat(beat, newest, now)
        ahead = link.ahead.told(beat.newest, newest, now, starved=beat.starved)
        ahead = ahead and self._membership.leapt(stripe, beat.newest)
        if ahead and self.search.parent(stripe) == link.node:
            link.resume(beat.newest + 1)
            self._membership.begin_anew(stripe, beat.newest + 1)
            return
        self.run_if(self.search.beat(stripe, link.node, newest, now, starved=beat.starved))

    def _parent_lost(self, link: ParentLink, reason: LostReason) -> None:
        self._membership.parent_lost(link.stripe, link.node, reason)
        delete = self.search.way_in.delete
        if delete.everyone and not self.search.on_the_way(link.stripe):
            self._membership.pass_on(link.stripe, delete.targets(link.path))

    def ended(self, link: ParentLink, reason: LostReason) -> None:
        """Note that an attached link ended."""
        if not self.links.forget(link):
            return
        if link.standby:
            self.run(self.search.standby_lost(link.stripe, link.node, self._loop.time()))
            return
        was_parent = self.search.parent(link.stripe) == link.node
        if was_parent and not link.silent:
            self._parent_lost(link, reason)
        newest = self._membership.newest(link.stripe)
        commands = self.search.ended(link.stripe, link.node, reason, newest, self._loop.time())
        if was_parent:
            before = self._current(link.stripe)  # one that was about to be left
            if before is not None:
                before.silent = before.slow = False  # to be judged anew at the next tick
            self._membership.path_changed(link.stripe, None if before is None else before.path)
        self.run(commands)

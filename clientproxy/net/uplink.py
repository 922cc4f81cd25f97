"""The links to parents: carries out what `ParentSearch` decides, and reads the stripes.

One `ParentLink` per stripe and candidate.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from clientproxy.core.join import ParentSearch
from clientproxy.core.joining import Ask, Command, Drop, LeaveParent, Probe, Tell
from clientproxy.net.parentlink import ParentLink
from common.codec import decode_end, decode_path, decode_redirect
from common.errors import BadMessageError
from common.fields import Candidate, LostReason, PathEntry
from common.frame import FrameType, Heartbeat, Received
from common.ids import Address, NodeId, Stripe
from common.messages import Attach, Attached, AttachedReport, ParentLost, ProbeReply
from common.runtime.tasks import Tasks

log = logging.getLogger(__name__)

SILENT_AFTER = 1.0
"""Seconds without data or heartbeat after which a parent's link is given up."""
HEARTBEAT_AFTER = 0.1


class Membership(Protocol):
    """What a node knows of itself when it asks for a parent."""

    def attach_request(self, stripe: Stripe, *, orphan: bool, visited: tuple[str, ...]) -> Attach:
        """Return the Attach of a stripe, asking for what the node lacks."""

    def newest(self, stripe: Stripe) -> int:
        """Return the newest sequence number held of a stripe, 0 before the first."""

    def keyframe(self) -> int:
        """Return the newest sequence number that starts a keyframe, 0: none."""

    def take(self, stripe: Stripe, received: Received, *, parent: NodeId) -> None:
        """Take the data of a stripe from a parent."""

    def hole(self, stripe: Stripe, first: int) -> int:
        """Return how many packets are missing before `first`; BadMessageError if it is absurd."""

    def attached_to(self, stripe: Stripe, parent: NodeId, reply: Attached) -> None:
        """Note a new parent."""

    def path_changed(self, stripe: Stripe, path: Sequence[PathEntry] | None) -> None:
        """Note the ancestors in a stripe; None: no parent."""

    def parent_lost(self, stripe: Stripe, parent: NodeId, reason: LostReason) -> None:
        """Note the end of a parent's link that was not asked for."""

    def tell(self, message: AttachedReport | ParentLost) -> None:
        """Send a report to the server proxy, if the control link is up."""


class Uplink:
    """All links to parents of one node."""

    def __init__(
        self,
        channel: str,
        server: Address,
        membership: Membership,
        tasks: Tasks,
        *,
        group_key: str,
        stripes: int,
    ) -> None:
        """Start without parents; `server` is where the candidate without addresses listens."""
        self.search = ParentSearch(stripes)
        self.channel, self._server, self._membership = channel, server, membership
        self._tasks, self._group_key, self._stripes = tasks, group_key, stripes
        self._links: dict[tuple[Stripe, NodeId], ParentLink] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.heartbeat_bytes = 0
        self._held_up = False

    # --- from the server proxy

    def candidates(
        self, stripe: Stripe, candidates: Sequence[Candidate], retry_after: float
    ) -> None:
        """Take candidates for a stripe."""
        now = self._loop.time()
        self.run(self.search.candidates(stripe, candidates, retry_after, now))

    def redirected(self, stripe: Stripe, parent: NodeId, targets: Sequence[Candidate]) -> None:
        """Take a redirect from the server proxy."""
        self.run(self.search.redirected(stripe, parent, targets, self._loop.time()))

    def ask_again(self) -> None:
        """Report what lacks a parent: the control link is up again."""
        self.run(self.search.ask_again(self._newest(), self._loop.time()))

    def close(self) -> None:
        """Say bye to all parents; look for no other."""
        self._closed = True
        for link in list(self._links.values()):
            link.bye("bye")
        self._links.clear()
        if self._timer is not None:
            self._timer.cancel()

    def give_up(self, stripe: Stripe, reason: LostReason) -> None:
        """Leave the parent of a stripe at once."""
        if (link := self._current(stripe)) is not None:
            link.give_up(reason)

    def rtt(self, stripe: Stripe) -> float:
        """Return the last round trip on the link to the parent, in seconds."""
        link = self._current(stripe)
        return 0.0 if link is None else link.rtt

    def lag(self, stripe: Stripe) -> int:
        """Return how far the node is behind its parent's newest, in sequence numbers."""
        link = self._current(stripe)
        return 0 if link is None else max(0, link.newest - self._membership.newest(stripe))

    def _current(self, stripe: Stripe) -> ParentLink | None:
        parent = self.search.parent(stripe)
        return None if parent is None else self._links.get((stripe, parent))

    # --- carrying out

    def run(self, commands: Sequence[Command]) -> None:
        """Carry out what the search decided and arm its timer."""
        if self._closed:
            return
        for command in commands:
            log.debug("%s", command, extra={"channel": self.channel})
            match command:
                case Probe(stripe, candidate):
                    self._dial(stripe, candidate)
                case Ask():
                    self._ask(command)
                case Drop(stripe, node):
                    if (link := self._links.pop((stripe, node), None)) is not None:
                        link.abandon()
                case LeaveParent(stripe, node):
                    if (link := self._links.pop((stripe, node), None)) is not None:
                        link.bye("moved")
                case Tell(message):
                    self._membership.tell(message)
        self._arm()

    def _ask(self, command: Ask) -> None:
        link = self._links.get((command.stripe, NodeId(command.candidate.node)))
        if link is None:
            link = self._dial(command.stripe, command.candidate)
        link.ask(
            lambda: self._membership.attach_request(
                command.stripe, orphan=command.orphan, visited=command.visited
            )
        )

    def _dial(self, stripe: Stripe, candidate: Candidate) -> ParentLink:
        link = ParentLink(self, stripe, candidate, self._group_key)
        self._links[stripe, link.node] = link
        addresses = [Address.parse(text, 0) for text in candidate.addresses] or [self._server]
        self._tasks.spawn(link.dial(addresses), name=f"dial {candidate.node}")
        return link

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

    def tick(self, seconds: float) -> None:
        """Send heartbeats to parents and give up silent ones. `seconds`: since the last time."""
        now = self._loop.time()
        # Who was held up itself has not read what the parents have sent meanwhile.
        held_up = seconds >= SILENT_AFTER / 2
        awake, self._held_up = self._held_up or not held_up, held_up
        for link in list(self._links.values()):
            if link.is_attached and awake and now - link.heard > SILENT_AFTER:
                link.give_up("silent")
            elif link.is_attached:
                self._beat(link, now)

    def _beat(self, link: ParentLink, now: float) -> None:
        if now - link.beat_at >= HEARTBEAT_AFTER:
            newest = self._membership.newest(link.stripe)
            self.heartbeat_bytes += link.beat(newest, self._membership.keyframe(), now)

    # --- from the links

    def probed(self, link: ParentLink, reply: ProbeReply, rtt: float) -> None:
        """Take the answer to a probe."""
        now = self._loop.time()
        self.run(self.search.probed(link.stripe, link.node, reply, rtt, now))

    def accepted(self, link: ParentLink, reply: Attached) -> None:
        """Take a parent's yes."""
        stripe, hole = link.stripe, self._membership.hole(link.stripe, reply.first)
        now = self._loop.time()
        commands = self.search.accepted(stripe, link.node, reply.first, hole=hole, now=now)
        link.path = reply.path
        if self.search.parent(stripe) == link.node:
            self._membership.attached_to(stripe, link.node, reply)
        self.run(commands)
        if self.search.parent(stripe) == link.node:
            self._membership.path_changed(stripe, reply.path)

    def sent_on(self, link: ParentLink, targets: Sequence[Candidate]) -> None:
        """Take a Redirect that answers Attach."""
        self._links.pop((link.stripe, link.node), None)
        self.run(self.search.sent_on(link.stripe, link.node, targets, self._loop.time()))

    def failed(self, link: ParentLink, reason: str) -> None:
        """Note that a candidate did not become a parent."""
        log.debug("candidate %s: %s", link.node, reason, extra={"channel": self.channel})
        if self._links.get((link.stripe, link.node)) is link:
            del self._links[link.stripe, link.node]
            self.run(self.search.failed(link.stripe, link.node, self._loop.time()))

    def frames(self, link: ParentLink, received: Received) -> None:
        """Take what a parent sent."""
        if received.packets:
            self._membership.take(link.stripe, received, parent=link.node)
            self.run_if(self.search.delivered(link.stripe, link.node))
        for kind, body in received.control:
            self._control(link, kind, body)

    def run_if(self, commands: Sequence[Command]) -> None:
        """Carry out commands where there are any: the hot path re-arms no timer."""
        if commands:
            self.run(commands)

    def _control(self, link: ParentLink, kind: FrameType, body: bytes) -> None:
        match kind:
            case FrameType.HEARTBEAT:
                link.heard_beat(Heartbeat.decode(body), self._loop.time())
            case FrameType.PATH:
                link.path = decode_path(body)
                if self.search.parent(link.stripe) == link.node:
                    self._membership.path_changed(link.stripe, link.path)
            case FrameType.REDIRECT:
                self.redirected(link.stripe, link.node, decode_redirect(body).targets)
            case FrameType.END:
                log.debug("parent %s: %s", link.node, decode_end(body).reason)
                link.give_up("end")
            case _:
                raise BadMessageError(f"frame {kind.name} from a parent")

    def ended(self, link: ParentLink, reason: LostReason) -> None:
        """Note that an attached link ended."""
        if self._links.get((link.stripe, link.node)) is not link:
            return
        del self._links[link.stripe, link.node]
        was_parent = self.search.parent(link.stripe) == link.node
        if was_parent:
            self._membership.parent_lost(link.stripe, link.node, reason)
        newest = self._membership.newest(link.stripe)
        commands = self.search.ended(link.stripe, link.node, reason, newest, self._loop.time())
        if was_parent:
            before = self._current(link.stripe)  # one that was about to be left
            self._membership.path_changed(link.stripe, None if before is None else before.path)
        self.run(commands)

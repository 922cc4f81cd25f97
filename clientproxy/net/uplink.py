"""The links to parents: carries out what `ParentSearch` decides, and reads the stripes.

One `_ParentLink` per stripe and candidate, from connecting over Probe and Attach to frames.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from clientproxy.core.join import Ask, Command, Drop, LeaveParent, ParentSearch, Probe, Tell
from common.codec import decode_end, decode_from_parent, decode_path, decode_redirect, encode_body
from common.errors import BadMessageError
from common.frame import FrameType, Heartbeat, Received, encode_control
from common.ids import Address, NodeId, Stripe
from common.messages import (
    VERSION,
    Attach,
    Attached,
    AttachedReport,
    Candidate,
    EndFrame,
    ParentLost,
    PathEntry,
    ProbeReply,
    Redirect,
    Refused,
)
from common.messages import Probe as ProbeMessage
from common.runtime.link import Idle, Link, connect
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

    def attached(self, stripe: Stripe, parent: NodeId, reply: Attached) -> None:
        """Note a new parent."""

    def path_changed(self, stripe: Stripe, path: Sequence[PathEntry] | None) -> None:
        """Note the ancestors in a stripe; None: no parent."""

    def parent_lost(self, stripe: Stripe, parent: NodeId, reason: str) -> None:
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
        self._links: dict[tuple[Stripe, NodeId], _ParentLink] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.heartbeat_bytes = 0

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
        """Say bye to all parents."""
        for link in list(self._links.values()):
            link.bye("bye")
        self._links.clear()
        if self._timer is not None:
            self._timer.cancel()

    def current(self, stripe: Stripe) -> "_ParentLink | None":
        """Return the link of a stripe's parent."""
        parent = self.search.parent(stripe)
        return None if parent is None else self._links.get((stripe, parent))

    def rtt(self, stripe: Stripe) -> float:
        """Return the last round trip on the link to the parent, in seconds."""
        link = self.current(stripe)
        return 0.0 if link is None else link.rtt

    # --- carrying out

    def run(self, commands: Sequence[Command]) -> None:
        """Carry out what the search decided and arm its timer."""
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

    def _dial(self, stripe: Stripe, candidate: Candidate) -> "_ParentLink":
        link = _ParentLink(self, stripe, candidate, self._group_key)
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

    def tick(self) -> None:
        """Send heartbeats to parents and give up silent ones."""
        now = self._loop.time()
        for link in list(self._links.values()):
            if link.is_attached:
                self._tick(link, now)

    def _tick(self, link: "_ParentLink", now: float) -> None:
        if now - link.heard > SILENT_AFTER:
            link.give_up("silent")
        elif now - link.beat_at >= HEARTBEAT_AFTER:
            newest = self._membership.newest(link.stripe)
            self.heartbeat_bytes += link.beat(newest, self._membership.keyframe(), now)

    # --- from the links

    def probed(self, link: "_ParentLink", reply: ProbeReply, rtt: float) -> None:
        """Take the answer to a probe."""
        now = self._loop.time()
        self.run(self.search.probed(link.stripe, link.node, reply, rtt, now))

    def accepted(self, link: "_ParentLink", reply: Attached) -> None:
        """Take a parent's yes."""
        self._membership.attached(link.stripe, link.node, reply)
        self.run(self.search.accepted(link.stripe, link.node, reply.first))
        self._membership.path_changed(link.stripe, reply.path)

    def sent_on(self, link: "_ParentLink", targets: Sequence[Candidate]) -> None:
        """Take a Redirect that answers Attach."""
        self._links.pop((link.stripe, link.node), None)
        self.run(self.search.sent_on(link.stripe, link.node, targets, self._loop.time()))

    def failed(self, link: "_ParentLink", reason: str) -> None:
        """Note that a candidate did not become a parent."""
        log.debug("candidate %s: %s", link.node, reason, extra={"channel": self.channel})
        if self._links.get((link.stripe, link.node)) is link:
            del self._links[link.stripe, link.node]
            self.run(self.search.failed(link.stripe, link.node, self._loop.time()))

    def frames(self, link: "_ParentLink", received: Received) -> None:
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

    def _control(self, link: "_ParentLink", kind: FrameType, body: bytes) -> None:
        match kind:
            case FrameType.HEARTBEAT:
                link.heard_beat(Heartbeat.decode(body), self._loop.time())
            case FrameType.PATH:
                if self.search.parent(link.stripe) == link.node:
                    self._membership.path_changed(link.stripe, decode_path(body))
            case FrameType.REDIRECT:
                self.redirected(link.stripe, link.node, decode_redirect(body).targets)
            case FrameType.END:
                link.give_up(decode_end(body).reason)
            case _:
                raise BadMessageError(f"frame {kind.name} from a parent")

    def ended(self, link: "_ParentLink", reason: str) -> None:
        """Note that an attached link ended."""
        if self._links.get((link.stripe, link.node)) is not link:
            return
        del self._links[link.stripe, link.node]
        was_parent = self.search.parent(link.stripe) == link.node
        if was_parent:
            self._membership.parent_lost(link.stripe, link.node, reason)
        newest = self._membership.newest(link.stripe)
        commands = self.search.ended(link.stripe, link.node, reason, newest, self._loop.time())
        if was_parent and self.search.parent(link.stripe) is None:
            self._membership.path_changed(link.stripe, None)
        self.run(commands)


class _ParentLink(Idle):
    """One link to a candidate, or to the parent that it became."""

    def __init__(
        self, uplink: Uplink, stripe: Stripe, candidate: Candidate, group_key: str
    ) -> None:
        self.stripe, self.node = stripe, NodeId(candidate.node)
        self.is_attached = False
        self.beat_at = self.rtt = 0.0
        self._uplink, self._group_key = uplink, group_key
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._request: Callable[[], Attach] | None = None
        self._began = self._loop.time()
        self._given_up = False
        self._peer_us = 0

    @property
    def heard(self) -> float:
        """Loop time at which the parent was last heard."""
        return self._began if self._link is None else self._link.heard

    async def dial(self, addresses: Sequence[Address]) -> None:
        """Connect to the first address that answers and say what is to be said."""
        why = "no address"
        for address in addresses:
            try:
                link = await connect(address, self)
            except OSError as error:
                why = f"{address}: {error!r}"
                continue
            if self._given_up:
                link.abort("dropped")
                return
            self._link = link
            if self._request is not None:
                link.send(self._request())
            else:
                self._began = self._loop.time()
                link.send(
                    ProbeMessage(
                        version=VERSION, channel=self._uplink.channel, group_key=self._group_key
                    )
                )
            return
        if not self._given_up:
            self._uplink.failed(self, why)

    def ask(self, request: Callable[[], Attach]) -> None:
        """Send Attach, as soon as there is a connection."""
        self._request = request
        if self._link is not None:
            self._link.send(request())

    def beat(self, newest: int, keyframe: int, now: float) -> int:
        """Send a heartbeat; return its bytes."""
        self.beat_at = now
        now_us = int(now * 1e6)
        echo = self._peer_us + now_us if self._peer_us else 0
        data = Heartbeat(newest, keyframe, now_us, max(0, echo), False).encode()
        if self._link is not None:
            self._link.write(data)
        return len(data)

    def heard_beat(self, beat: Heartbeat, now: float) -> None:
        """Take a parent's heartbeat."""
        self._peer_us = beat.time_us - int(now * 1e6)
        if beat.echo_us:
            self.rtt = max(0.0, now - beat.echo_us / 1e6)

    def bye(self, reason: str) -> None:
        """End an attached link in good order."""
        self._given_up = True
        if self._link is not None:
            if self.is_attached:
                self._link.write(encode_control(FrameType.BYE, encode_body(EndFrame(reason))))
            self._link.handler = Idle()
            self._link.close(reason)

    def abandon(self) -> None:
        """Close the link with a candidate that is not wanted."""
        self._given_up = True
        if self._link is not None:
            self._link.handler = Idle()
            self._link.abort("dropped")

    def give_up(self, reason: str) -> None:
        """End a link that has gone bad, and say so."""
        if self._link is not None:
            self._link.handler = Idle()
            self._link.abort(reason)
        self._uplink.ended(self, reason)

    # --- Handler

    def message(self, link: Link, text: bytes) -> None:
        match decode_from_parent(text):
            case ProbeReply() as reply:
                self.rtt = self._loop.time() - self._began
                self._uplink.probed(self, reply, self.rtt)
            case Attached() as reply:
                self.is_attached = True
                link.begin_frames()
                self._uplink.accepted(self, reply)
            case Redirect(targets=targets):
                self.abandon()
                self._uplink.sent_on(self, targets)
            case Refused(reason=reason, sentence=sentence):
                self.abandon()
                self._uplink.failed(self, f"{reason}: {sentence}")

    def frames(self, link: Link, received: Received) -> None:
        self._uplink.frames(self, received)

    def lost(self, link: Link, reason: str) -> None:
        if self.is_attached:
            self._uplink.ended(self, reason)
        else:
            self._uplink.failed(self, reason)

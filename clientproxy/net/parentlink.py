"""The link to one possible parent: connect, Probe, Attach, then frames and heartbeats."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, assert_never

from clientproxy.core.ahead import Ahead
from clientproxy.core.joining import ANSWER_WAIT
from clientproxy.core.lag import LinkLag
from common.attach import Attach, Attached, Probe, ProbeReply
from common.codec import decode_from_parent, encode_body
from common.fields import Candidate, EndFrame, EndReason, LostReason, Path, ServeFrame
from common.frame import FrameType, Heartbeat, Received, encode_control, encode_resume
from common.ids import Address, NodeId, Stripe
from common.messages import VERSION, Redirect, Refused
from common.runtime.link import Idle, Link, connect_any

LEAST_SILENCE = 0.5
"""Seconds without data or heartbeat after which a parent's link is silent, at least, besides its
round trip: a segment that is lost and sent again takes about so long."""
STRAINED_SILENCE = 1.5
"""The same where the node's own network is too slow: a second parent would make it worse."""
STANDBY_SILENCE = 3.5
"""The same for a link that only stands by: it has a heartbeat a second."""
JITTER_GAIN = 1 / 16
"""How fast the estimate of the jitter follows, as in RFC 3550, 6.4.1."""


class Owner(Protocol):
    """Who takes what the link brings: the uplink."""

    channel: str

    def fields(self, stripe: Stripe) -> Mapping[str, object]:
        """Return channel, stripe and node, for the log."""

    def probed(self, link: "ParentLink", reply: ProbeReply, rtt: float) -> None:
        """Take the answer to a probe."""

    def accepted(self, link: "ParentLink", first: int) -> None:
        """Take a parent's yes: `first` is the first sequence number to come."""

    def held(self, link: "ParentLink") -> None:
        """Take a standby's yes."""

    def sent_on(self, link: "ParentLink", targets: Sequence[Candidate]) -> None:
        """Take a Redirect that answers Attach."""

    def failed(self, link: "ParentLink", reason: str) -> None:
        """Note that a candidate did not become a parent."""

    def frames(self, link: "ParentLink", received: Received) -> None:
        """Take what a parent sent."""

    def ended(self, link: "ParentLink", reason: LostReason) -> None:
        """Note that an attached link ended."""


class ParentLink(Idle):
    """One link to a candidate, or to the parent that it became: from connecting to frames."""

    __slots__ = (
        "_began", "_gap", "_given_up", "_group_key", "_heard_before", "_link", "_loop", "_owner",
        "_peer_us", "_request", "_untold", "ahead", "beat_at", "is_attached", "jitter", "lag",
        "newest", "node", "path", "rtt", "silent", "slow", "standby", "stripe",
    )  # fmt: skip

    def __init__(self, owner: Owner, stripe: Stripe, candidate: Candidate, group_key: str) -> None:
        """Prepare; `dial` connects."""
        self.stripe, self.node = stripe, NodeId(candidate.node)
        self.is_attached = False
        self.standby = False
        """It is asked to stand by, or does."""
        self.silent = False
        """Nothing has come for too long."""
        self.beat_at = self.rtt = self.jitter = 0.0
        self._owner, self._group_key = owner, group_key
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._request: Callable[[], Attach] | None = None
        self._untold: ServeFrame | None = None
        """What Attach, which is on its way, does not say of this node."""
        self._began = self._loop.time()
        self._given_up = False
        self._peer_us = 0
        self._gap, self._heard_before = 0.0, self._began
        self.path: Path = ()
        """From the server proxy to the parent, as it last told."""
        self.newest = 0
        """Newest sequence number that the parent told."""
        self.lag = LinkLag(self._began)
        self.ahead = Ahead()
        self.slow = False
        """It was found to be slow."""

    @property
    def heard(self) -> float:
        """Loop time at which the parent was last heard."""
        return self._began if self._link is None else self._link.heard

    @property
    def peer(self) -> Address | None:
        """Where the parent is, once there is a connection."""
        return None if self._link is None else self._link.peer

    async def dial(self, addresses: Sequence[Address]) -> None:
        """Connect to the first address that answers and say what is to be said."""
        try:
            link = await connect_any(addresses, self, within=ANSWER_WAIT)
        except OSError as error:
            if not self._given_up:
                self._owner.failed(self, f"{', '.join(map(str, addresses))}: {error!r}")
            return
        if self._given_up:
            link.abort("dropped")
            return
        self._link, self._began = link, self._loop.time()
        link.fields = self._owner.fields(self.stripe)
        if self._request is not None:
            self._attach(link, self._request)
        else:
            link.send(
                Probe(version=VERSION, channel=self._owner.channel, group_key=self._group_key)
            )

    def ask(self, request: Callable[[], Attach]) -> None:
        """Send Attach, as soon as there is a connection."""
        self._request = request
        if self._link is not None:
            self._attach(self._link, request)

    def _attach(self, link: Link, request: Callable[[], Attach]) -> None:
        self._untold = None
        link.send(request())

    def quiet_too_long(self, now: float, *, strained: bool = False) -> bool:
        """Whether neither data nor heartbeat has come for longer than is usual on this link.

        `strained`: the node's own network is too slow, which makes pauses.
        """
        heard = self.heard
        if (gap := heard - self._heard_before) > 0:
            self.jitter += (abs(gap - self._gap) - self.jitter) * JITTER_GAIN
            self._gap, self._heard_before = gap, heard
        if self.standby:
            return now - heard > STANDBY_SILENCE
        least = STRAINED_SILENCE if strained else LEAST_SILENCE
        return now - heard > max(least, 4 * self.jitter) + self.rtt

    def resume(self, seq: int) -> None:
        """Ask to be fed from `seq` on: a standby, or a parent whose frames are all behind that."""
        if self._link is not None:
            self._link.write(encode_resume(seq))

    def tell_serve(self, frame: ServeFrame) -> None:
        """Tell the parent what this node serves now, as soon as the link carries frames."""
        if self._link is not None and self.is_attached:
            self._link.write(encode_control(FrameType.SERVE, encode_body(frame)))
        else:
            self._untold = frame

    def beat(self, newest: int, keyframe: int, now: float) -> int:
        """Send a heartbeat; return its bytes."""
        self.beat_at = now
        now_us = int(now * 1e6)
        echo = self._peer_us + now_us if self._peer_us else 0
        data = Heartbeat(newest, keyframe, now_us, max(0, echo), False).encode()
        if self._link is not None:
            self._link.write(data)
        return len(data)

    def heard_beat(self, beat: Heartbeat, own: int, now: float) -> None:
        """Take a parent's heartbeat; `own`: newest sequence number that the node holds."""
        self.lag.told(0 if self.standby else beat.newest, beat.time_us / 1e6, own, now)
        self._peer_us = beat.time_us - int(now * 1e6)
        self.newest = max(self.newest, beat.newest)
        if beat.echo_us:
            self.rtt = max(0.0, now - beat.echo_us / 1e6)

    def bye(self, reason: EndReason) -> None:
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

    def give_up(self, reason: LostReason) -> None:
        """End a link that has gone bad, and say so."""
        if self._link is not None:
            self._link.handler = Idle()
            self._link.abort(reason)
        self._owner.ended(self, reason)

    # --- Handler

    def message(self, link: Link, text: bytes) -> None:
        """Conform to Handler."""
        message = decode_from_parent(text)
        match message:
            case ProbeReply() as reply:
                self.rtt = self._loop.time() - self._began
                self._owner.probed(self, reply, self.rtt)
            case Attached() as reply:
                link.begin_frames()
                self.rtt = self.rtt or self._loop.time() - self._began
                self.is_attached = True
                self.path = reply.path
                self.newest = reply.newest
                if self._untold is not None:
                    self.tell_serve(self._untold)
                if self.standby:
                    self._owner.held(self)
                else:
                    self._owner.accepted(self, reply.first)
            case Redirect(targets=targets):
                self.abandon()
                self._owner.sent_on(self, targets)
            case Refused(reason=reason, sentence=sentence):
                self.abandon()
                self._owner.failed(self, f"{reason}: {sentence}")
            case _:
                assert_never(message)

    def frames(self, link: Link, received: Received) -> None:
        """Conform to Handler."""
        self._owner.frames(self, received)

    def lost(self, link: Link, reason: str) -> None:
        """Conform to Handler."""
        if self.is_attached:
            self._owner.ended(self, "closed")
        else:
            self._owner.failed(self, reason)

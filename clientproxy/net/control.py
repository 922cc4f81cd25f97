"""The control link to the server proxy: Join, reports, and coming back when it breaks."""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Protocol

from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.unreachable import hangs_up, no_server_proxy, unreachable
from common.codec import decode_from_server
from common.fields import KICKED
from common.ids import Address
from common.liveness import Backoff
from common.messages import Closed, FromNode, FromServer, Join, Leave, Offer, Refused, Rejoin
from common.runtime.link import Idle, Link, connect

log = logging.getLogger(__name__)

SILENT_AFTER = 10.0
"""Seconds without a word from the server proxy after which the control link is made anew."""
OFFER_WITHIN = 5.0
ANSWERS_WITHIN = 3.0
FIRST_PAUSE = 0.25
MOST_PAUSE = 5.0
"""Seconds between two tries, first and at most, less up to half by chance."""
UNKNOWN_PAUSE = 30.0
"""Most seconds between two tries where the server proxy has no such channel (any more)."""
URGENT_AFTER = 1.0
"""Most seconds between two tries of a node that lacks a parent; the others back off further."""
LOOK_EVERY = 0.1

UNKNOWN_CHANNEL = "unknown_channel"
_STATUS = {
    UNKNOWN_CHANNEL: 404,
    "unauthorized": 404,
    "version": 503,
    "full": 453,
    "kicked": 404,
}
"""RTSP status for the reasons of a Refused."""


class Member(Protocol):
    """The node behind the control link."""

    @property
    def fields(self) -> Mapping[str, object]:
        """Channel and node, for the log."""

    def join_request(self) -> Join | Rejoin:
        """Return what the link begins with."""

    def offered(self, offer: Offer) -> None:
        """Take the node's place."""

    def told(self, message: FromServer) -> None:
        """Take any other message."""

    def urgent(self) -> bool:
        """Whether the node lacks a parent, which only the server proxy can name."""

    def refused(self, error: ChannelUnavailableError) -> None:
        """Note that the server proxy does not want the node, or cannot be reached, for now."""

    def kicked(self) -> None:
        """Note that the operator has sent the node away."""


class ControlLink(Idle):
    """The node's link to the server proxy; made again with backoff and jitter."""

    __slots__ = (
        "_asked", "_channel", "_decided", "_ended", "_gone", "_joined", "_link", "_member", "_said",
        "_server", "control_bytes",
    )  # fmt: skip

    def __init__(self, channel: str, server: Address, member: Member) -> None:
        """Prepare; `run` does the work."""
        self._channel, self._server, self._member = channel, server, member
        self._link: Link | None = None
        self._ended, self._decided = asyncio.Event(), asyncio.Event()
        self._joined = self._asked = self._gone = False
        self._said: str | None = None
        self.control_bytes = 0

    @property
    def up(self) -> bool:
        """The server proxy has made an offer on the present link."""
        return self._joined

    @property
    def gone(self) -> bool:
        """The server proxy has said that there is no such channel, and nothing else since."""
        return self._gone

    def answers(self, now: float) -> bool:
        """Whether the server proxy has said something lately: it answers each Report."""
        link = self._link
        return self._joined and link is not None and now - link.heard < ANSWERS_WITHIN

    async def run(self) -> None:
        """Keep the control link up until cancelled."""
        backoff = Backoff(first=FIRST_PAUSE, most=MOST_PAUSE)
        unknown = Backoff(first=FIRST_PAUSE, most=UNKNOWN_PAUSE)
        try:
            while True:
                if await self._once():
                    backoff.reset()
                    unknown.reset()
                pauses = unknown if self._gone else backoff
                await self._pause(pauses.next(random.random()))  # noqa: S311 - jitter
        finally:
            if self._link is not None:
                self._link.close()

    async def _pause(self, seconds: float) -> None:
        """Wait; who lacks a parent, or loses it meanwhile, does not wait for long."""
        loop = asyncio.get_running_loop()
        began, most = loop.time(), URGENT_AFTER * (1 + random.random()) / 2  # noqa: S311 - jitter
        while (waited := loop.time() - began) < seconds:
            if self._asked or (waited >= most and self._member.urgent() and not self._gone):
                return
            await asyncio.sleep(min(seconds - waited, LOOK_EVERY))

    async def _once(self) -> bool:
        """Make the link and wait for its end; return whether the node had joined."""
        self._ended.clear()
        self._decided.clear()
        self._asked = False
        try:
            link = await connect(self._server, self)
        except OSError as error:
            self._complain(unreachable(self._server, error))
            return False
        self._link, link.fields = link, self._member.fields
        self.tell(self._member.join_request())
        try:
            async with asyncio.timeout(OFFER_WITHIN):
                await self._decided.wait()
        except TimeoutError:
            self._complain(no_server_proxy(self._server, "takes links and does not answer Join"))
            link.abort("silent")
        await self._ended.wait()
        joined, self._joined, self._link = self._joined, False, None
        return joined

    def tell(self, message: FromNode | Join | Rejoin) -> None:
        """Send a message; without a link it is dropped: Rejoin says it all again."""
        if self._link is not None and not self._link.closed:
            before = self._link.sent_bytes
            self._link.send(message)
            self.control_bytes += self._link.sent_bytes - before

    def leave(self) -> None:
        """Say Leave and close."""
        self.tell(Leave())
        if self._link is not None:
            self._link.close("left")

    def ask(self) -> None:
        """Try again at once: somebody wants the channel now."""
        self._asked = True

    def anew(self) -> None:
        """Make the link again, so that Rejoin says what has changed; the stream goes on."""
        if self._link is not None:
            self._link.close("the configuration has changed")

    def tick(self, now: float) -> None:
        """Give up a silent link."""
        if self._link is not None and now - self._link.heard > SILENT_AFTER:
            self._link.abort("silent")

    def message(self, link: Link, text: bytes) -> None:
        """Conform to Handler."""
        message = decode_from_server(text)
        match message:
            case Offer():
                self._joined, self._said, self._gone = True, None, False
                self._decided.set()
                self._member.offered(message)
                link.fields = self._member.fields
            case Refused(reason=reason, sentence=sentence, retry_after=retry_after):
                status = _STATUS.get(reason, 503)
                why = f"server proxy {self._server} refused channel {self._channel}: {sentence}"
                self._gone = reason == UNKNOWN_CHANNEL
                self._complain(why, ChannelUnavailableError(status, why, retry_after))
                self._decided.set()
                if reason == KICKED:  # it has missed the Closed that said so
                    self._member.kicked()
                link.close(reason)
            case _:
                if isinstance(message, Closed):  # nothing of the channel goes on after it
                    self._gone = True
                self._member.told(message)

    def lost(self, link: Link, reason: str) -> None:
        """Conform to Handler."""
        if not self._decided.is_set() and reason not in {"left", "silent"}:
            self._complain(
                hangs_up(self._server)
                if reason == "closed"
                else no_server_proxy(self._server, "speaks another protocol")
            )
        if self._joined and not self._gone and reason != "left":
            log.warning(
                "control link to server proxy %s lost: %s; the stream goes on, trying again",
                self._server,
                reason,
                extra=self._member.fields,
            )
        self._ended.set()
        self._decided.set()

    def _complain(self, why: str, error: ChannelUnavailableError | None = None) -> None:
        if why != self._said:
            log.warning("%s", why, extra=self._member.fields)
            self._said = why
        if error is None:
            self._gone = False
        self._member.refused(error or ChannelUnavailableError(503, why, 5.0))

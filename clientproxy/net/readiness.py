"""Whether a node can serve players, and what they are told while it cannot.

Rules
-----
1. A channel plays when its stream is known and its source is up. While the server proxy is away the
   trees may go on: it plays as long as packets come.
2. With `join: redirect` there may be no place for the node: players wait until it has had one.
3. What may pass is waited for, as long as the player waits; anything else is told at once.
"""

import asyncio
import logging

from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.control import ControlLink
from clientproxy.net.feed import MergedFeed
from clientproxy.net.stripes import Stripes
from common.ids import Address

log = logging.getLogger(__name__)

FRESH = 2.0
"""Seconds since the last packet for which a stream without its server proxy counts as playing."""
NO_ROOM = 453
"""RTSP status where no slot is free: waiting players are told, those that play wait for one."""
GONE = 404
"""RTSP status: there is no such channel."""
TRY_AGAIN = 503
"""RTSP status of what may pass: waiting players go on waiting."""


class Readiness:
    """What the players of one node may have."""

    __slots__ = (
        "_control", "_feed", "_news", "_placed", "_server", "_stripes", "error", "sent_away",
        "source_trouble", "source_up",
    )  # fmt: skip

    def __init__(self, server: Address, control: ControlLink, feed: MergedFeed) -> None:
        """Begin with nothing: the server proxy has not answered yet."""
        self.source_up = False
        self.source_trouble = ""
        """Why the source is down, and since when, as the server proxy says."""
        self.error: ChannelUnavailableError | None = None
        """Why the server proxy cannot be had, or does not want the node; None: it does."""
        self.sent_away = False
        """The operator of the server proxy wants the node to leave."""
        self._server, self._control, self._feed = server, control, feed
        self._stripes: Stripes | None = None
        self._placed = False
        """It had a parent in every stripe once."""
        self._news = asyncio.Event()
        feed.on_stream = self._news.set

    @property
    def trouble(self) -> str | None:
        """Why the channel cannot be had, as a player is told."""
        return None if self.error is None else self.error.why

    @property
    def full(self) -> bool:
        """The server proxy has said that no slot is free."""
        return self.error is not None and self.error.status == NO_ROOM

    async def wait(self, within: float) -> MergedFeed:
        """Wait until players can be served; raise ChannelUnavailableError with a reason."""
        if self.error is not None and self.error.status == GONE and not self.sent_away:
            # That was some time ago.
            self.error = None
            self._control.ask()
        try:
            async with asyncio.timeout(within):
                while True:
                    if self.error is not None and self.error.status != TRY_AGAIN:
                        raise self.error
                    if self._plays():
                        return self._feed
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            later = ChannelUnavailableError(TRY_AGAIN, self._why_not(), 5.0)
            raise self.error or self._no_parent() or later from None

    def _plays(self) -> bool:
        """Whether there is something to play now."""
        if self._feed.stream is None or self._seeks or self._control.gone:
            return False
        fresh = asyncio.get_running_loop().time() - self._feed.delivered_at < FRESH
        return self.source_up if self._control.up else fresh

    @property
    def _seeks(self) -> bool:
        redirect = self._stripes is not None and self._stripes.offer.join == "redirect"
        return redirect and not self._placed

    def _no_parent(self) -> ChannelUnavailableError | None:
        """Return what a player is told whose node nobody takes."""
        if self._stripes is None or not self._seeks:
            return None
        if (why := self._stripes.uplink.search.why_not()) is None:
            return None
        return ChannelUnavailableError(NO_ROOM, f"channel {self._feed.channel}: {why}", 5.0)

    def _why_not(self) -> str:
        channel = f"channel {self._feed.channel}"
        if self._stripes is None:
            return f"{channel}: no answer from server proxy {self._server} yet"
        if self._seeks:
            return f"{channel}: still looking for a parent"
        return (
            f"{channel}: its source does not play: {self.source_trouble or 'it does not say why'}"
        )

    # --- what the node hears

    def offered(self, stripes: Stripes) -> None:
        """Note that the server proxy wants the node, whose stripes these are."""
        self._stripes, self.error = stripes, None
        self.source_up = stripes.offer.source_up
        if self.source_up:
            self.source_trouble = ""
        self._news.set()

    def refused(self, error: ChannelUnavailableError) -> None:
        """Note that the channel cannot be had: who watches one that is gone is told so."""
        self.error = error
        self._news.set()
        if error.status not in {TRY_AGAIN, NO_ROOM}:
            self._feed.end(error.why)

    def announced(self, up: bool, reason: str) -> None:
        """Note whether the source is up, and why not."""
        if (self.source_up, self.source_trouble) != (up, reason):
            text = "the source is up" if up else f"the source is down: {reason}"
            log.info("%s", text, extra=self._feed.fields)
        self.source_up, self.source_trouble = up, "" if up else reason
        self._news.set()

    def parents_changed(self) -> None:
        """Note that the node has found a parent, or lost one: it may have its place now."""
        if not self._placed and self._stripes is not None and self._stripes.attached:
            self._placed = True
            self._news.set()

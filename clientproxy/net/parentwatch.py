"""Watches the links to parents and standbys: heartbeats, who is silent, who is slow."""

import asyncio
import random
from collections.abc import Callable, Sequence

from clientproxy.core.join import ParentSearch
from clientproxy.core.joining import Command
from clientproxy.core.lag import MAX_PATIENCE, SHARED_LAG, SLOW_LAG, LagWatch
from clientproxy.net.parentlink import ParentLink
from clientproxy.net.parentlinks import Membership, ParentLinks
from common.fields import LostReason
from common.runtime.link import HELD_UP

GIVE_UP_AFTER = 10.0
"""Seconds of silence after which a parent's link is closed, whether there is another or not."""
HEARTBEAT_AFTER = 0.1
STANDBY_HEARTBEAT_AFTER = 1.0


class ParentWatch:
    """The ticks of one node's links upwards."""

    __slots__ = (
        "_held_up", "_lags", "_links", "_loop", "_membership", "_parent_lost", "_run", "_search",
        "heartbeat_bytes",
    )  # fmt: skip

    def __init__(
        self,
        links: ParentLinks,
        search: ParentSearch,
        membership: Membership,
        run: Callable[[Sequence[Command]], None],
        parent_lost: Callable[[ParentLink, LostReason], None],
    ) -> None:
        """Watch `links`; `run` carries out what the search decides."""
        self.heartbeat_bytes = 0
        self._links, self._search, self._membership, self._run = links, search, membership, run
        self._parent_lost = parent_lost
        self._lags = LagWatch(random.random() * MAX_PATIENCE)  # noqa: S311 - a node's own pace
        self._held_up = False
        self._loop = asyncio.get_running_loop()

    @property
    def downlink_slow(self) -> bool:
        """All links are behind: it is this node's own network."""
        return self._lags.own_fault

    def tick(self, seconds: float) -> None:
        """Do what is due. `seconds`: since the last time."""
        now = self._loop.time()
        # Who was held up itself has not read what the parents have sent meanwhile.
        held_up = seconds >= HELD_UP
        awake, self._held_up = self._held_up or not held_up, held_up
        links = self._links.attached()
        for link in links:
            if awake:
                self._listen(link, links, now)
            if seconds >= SLOW_LAG:
                link.lag.held_up()
            self._beat(link, now)
        if seconds < SLOW_LAG:
            self._measure(now)

    def _listen(self, link: ParentLink, links: Sequence[ParentLink], now: float) -> None:
        """Suspect a parent that is silent; give up a standby that is, or who is for long."""
        quiet, silent = link.quiet_too_long(now), link.silent
        if quiet and not silent and self._lags.strains(links, link, now):
            quiet = link.quiet_too_long(now, strained=True)
        if quiet and (link.standby or now - link.heard > GIVE_UP_AFTER):
            link.give_up("silent")
        elif quiet != silent:
            if quiet:
                self._suspect(link, "silent", now)
            link.silent = quiet
            self._trust(link)

    def _measure(self, now: float) -> None:
        """Suspect a parent that is slow, until it has caught up."""
        links = [one for one in self._links.attached() if one.standby or self._feeds(one)]
        own = {one.stripe: self._membership.newest(one.stripe) for one in links}
        for link in self._lags.look(links, own, now):
            self._suspect(link, "slow", now)
            link.slow = True
        for link in links:
            if link.slow and link.lag.seconds < SHARED_LAG:
                link.slow = False
                self._trust(link)

    def _suspect(self, link: ParentLink, reason: LostReason, now: float) -> None:
        """Look for another parent; this one goes on until that one delivers."""
        if self._feeds(link) and not self._search.suspects(link.stripe):
            newest = self._membership.newest(link.stripe)
            self._parent_lost(link, reason)
            self._run(self._search.silent(link.stripe, link.node, newest, now, reason))

    def _trust(self, link: ParentLink) -> None:
        """Take the suspicion back, unless another one delivers already."""
        if not link.slow and not link.silent:
            newest = self._membership.newest(link.stripe)
            self._run(self._search.heard_again(link.stripe, link.node, newest))

    def _feeds(self, link: ParentLink) -> bool:
        return self._search.parent(link.stripe) == link.node

    def _beat(self, link: ParentLink, now: float) -> None:
        after = STANDBY_HEARTBEAT_AFTER if link.standby else HEARTBEAT_AFTER
        if now - link.beat_at >= after:
            newest = self._membership.newest(link.stripe)
            self.heartbeat_bytes += link.beat(newest, self._membership.newest_keyframe(), now)

"""How far a node is behind each of its parents, and whose fault that is (design 6).

Rules
-----
1. The lag of a link is the time from when the parent had a packet until the node has it, less what
   that takes on this link at best. A parent's heartbeats say when it had what, by its own clock;
   they travel behind the data. What the parent itself gets late is no lag of this link.
2. A link that has never caught up yet (a newcomer's start) is judged after `FRESH_WITHIN` seconds.
3. A link that is behind for a while and does not catch up is slow. If all others of the node are
   behind too, its own downlink is to blame, and no parent; else the parent is.
4. The server proxy is never blamed: there is nobody above it. It counts as evidence.

The best of a link is the least of the last half minute or two: clocks drift apart.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from common.ids import ROOT, NodeId, Stripe

SLOW_LAG = 0.3
"""Seconds that a slow link is behind, at least."""
SLOW_FOR = 1.0
"""Seconds for which it is, at least."""
URGENT_LAG = 0.8
"""Seconds of lag that are acted on at once: what a player waits for is `reorder_timeout`."""
SHARED_LAG = 0.1
"""Seconds that every other link is behind where the own downlink is slow."""
LATE_AFTER = 0.4
"""Seconds without a heartbeat beside data that say the same."""
BEHIND_LATELY = 3.0
"""Seconds for which it counts that a link was behind."""
OWN_FAULT_FOR = 5.0
"""Seconds for which it counts that the own downlink was slow."""
FRESH_WITHIN = 10.0
"""Seconds that catching up may take before it counts as lag."""
BLAME_EVERY = 2.0
"""Seconds between two complaints about the parent of one stripe."""
BEST_WINDOW = 30.0
"""Seconds after which what a link does at best begins to be forgotten."""
MAX_PATIENCE = 0.5
"""Most seconds that a node waits longer than `SLOW_FOR`: children of one parent leave one by one,
and who stays may find that it is fast enough."""
_SAMPLE_EVERY = 0.1
_STALE_AFTER = 3.5
"""Seconds without a heartbeat after which a link says nothing about the others."""
_YOUNG = 5.0
_MOST_TOLD = 64
_MOST_SAMPLES = 20


class LinkLag:
    """The lag of one link, from the parent's heartbeats."""

    __slots__ = (
        "_behind_at", "_best", "_best_before", "_best_until", "_fresh_from", "_heard", "_made",
        "_samples", "_told", "seconds",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        """Begin with a link that is made, or becomes the one that feeds, `now`."""
        self.seconds = 0.0
        """Lag as of the last look."""
        self._told: deque[tuple[int, float]] = deque()
        """What the parent had, and at what time of its clock; not yet here."""
        self._best = self._best_before = float("inf")
        self._best_until = now + BEST_WINDOW
        self._samples: deque[tuple[float, float]] = deque(maxlen=_MOST_SAMPLES)
        self._heard = self._made = now
        self._fresh_from = now + FRESH_WITHIN
        self._behind_at = float("-inf")

    def told(self, newest: int, sent: float, own: int, now: float) -> None:
        """Take a heartbeat: the parent had `newest` at `sent` of its clock, the node has `own`.

        For a link that only stands by, `newest` is 0: nothing but the way of the heartbeat counts.
        """
        self._heard = now
        self._learn(now - sent, now)
        if newest > own:
            if len(self._told) < _MOST_TOLD:
                self._told.append((newest, sent))
            return
        self._told.clear()
        self._fresh_from = min(self._fresh_from, now)
        self.seconds = self._over(now - sent)

    def look(self, own: int, now: float) -> None:
        """Measure again: the node has `own` now. Call it often."""
        while self._told and self._told[0][0] <= own:
            self.seconds = self._over(now - self._told.popleft()[1])
        if self._told:
            self.seconds = max(self.seconds, self._over(now - self._told[0][1]))
        if now < self._fresh_from:
            return
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_EVERY:
            self._samples.append((now, self.seconds))
            # A link that is not behind now has not been for a while: most need no second look.
            if self.seconds >= SHARED_LAG and self.behind_for(SLOW_FOR / 2, now) >= SHARED_LAG:
                self._behind_at = now

    def behind_for(self, seconds: float, now: float) -> float:
        """Return the least lag of the last so many seconds; 0 where they have not been watched."""
        if not self._samples or self._samples[0][0] > now - seconds + _SAMPLE_EVERY:
            return 0.0
        return min(lag for at, lag in self._samples if at >= now - seconds)

    @property
    def falls_back(self) -> bool:
        """Whether the lag is as great as it was lately: it does not catch up."""
        return all(lag <= self.seconds for _, lag in self._samples)

    def is_behind(self, now: float, *, standby: bool) -> bool:
        """Whether the link is a little behind, was a moment ago, or has had no heartbeat in time.

        A clogged network drops what does not fit: while one link waits for what was lost, the queue
        is empty and the others are in time.
        """
        late = not standby and now - self._heard > LATE_AFTER
        return late or now - self._behind_at <= BEHIND_LATELY

    def is_known(self, now: float) -> bool:
        """Whether the link has been heard lately, and for long enough to know it at its best."""
        return now - self._heard <= _STALE_AFTER and now - self._made >= _YOUNG

    def feeds(self, now: float) -> None:
        """Note that the link, which stood by, feeds from now on."""
        self._told.clear()
        self._samples.clear()
        self.seconds, self._fresh_from = 0.0, now + FRESH_WITHIN

    def held_up(self) -> None:
        """Forget what was seen: this node has not read its links in time."""
        self._samples.clear()

    def _learn(self, way: float, now: float) -> None:
        if now >= self._best_until:
            self._best_before, self._best = self._best, float("inf")
            self._best_until = now + BEST_WINDOW
        self._best = min(self._best, way)

    def _over(self, way: float) -> float:
        return max(0.0, way - min(self._best, self._best_before))


class Watched(Protocol):
    """One link to a parent, or to a standby."""

    stripe: Stripe
    node: NodeId
    lag: LinkLag
    standby: bool


AnyLink = TypeVar("AnyLink", bound=Watched)


class LagWatch:
    """Judges all links of a node together."""

    __slots__ = ("_not_before", "_own_fault_until", "_slow_for", "own_fault")

    def __init__(self, patience: float) -> None:
        """Wait `patience` seconds longer than others, at most `MAX_PATIENCE`."""
        self._slow_for = SLOW_FOR + min(max(patience, 0.0), MAX_PATIENCE)
        self._not_before: dict[Stripe, float] = {}
        self.own_fault = False
        """All links are behind, or were a moment ago: the own downlink is slow."""
        self._own_fault_until = 0.0

    def look(
        self, links: Sequence[AnyLink], own: Mapping[Stripe, int], now: float
    ) -> list[AnyLink]:
        """Return the links whose parent is slow; `own`: newest sequence number of each stripe."""
        for one in links:
            one.lag.look(0 if one.standby else own[one.stripe], now)
        slow = [one for one in links if not one.standby and self._is_slow(one.lag, now)]
        if slow and self._all_are_behind(links, now, least=2):
            self._own_fault_until = now + OWN_FAULT_FOR
        self.own_fault = now < self._own_fault_until
        if self.own_fault or not slow:
            return []
        due = [
            one for one in slow if one.node != ROOT and now >= self._not_before.get(one.stripe, now)
        ]
        for one in due:
            self._not_before[one.stripe] = now + BLAME_EVERY
        return due

    def _is_slow(self, lag: LinkLag, now: float) -> bool:
        if lag.seconds < SLOW_LAG or not lag.falls_back:
            return False
        if lag.behind_for(self._slow_for, now) >= SLOW_LAG:
            return True
        return lag.seconds >= URGENT_LAG and lag.behind_for(SLOW_FOR / 2, now) >= SLOW_LAG

    def strains(self, links: Sequence[AnyLink], silent: AnyLink, now: float) -> bool:
        """Whether silence on one link may be the node's own network: all others are behind."""
        others = [one for one in links if one is not silent]
        return self.own_fault or self._all_are_behind(others, now, least=1)

    def _all_are_behind(self, links: Sequence[AnyLink], now: float, *, least: int) -> bool:
        known = [one for one in links if one.lag.is_known(now)]
        behind = [one for one in known if one.lag.is_behind(now, standby=one.standby)]
        return len(behind) == len(known) >= least

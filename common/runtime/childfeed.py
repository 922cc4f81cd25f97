"""What one child of a node, or of the server proxy, is fed: a cursor in the log of its stripe."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, get_args

from common.codec import encode_body
from common.fields import Candidate, EndFrame, EndReason, Part, Path, PathEntry, RedirectFrame
from common.frame import HEADER_BYTES, FrameType, Heartbeat, encode_control, encode_resume
from common.ids import NodeId, Stripe
from common.runtime.link import Link
from common.stripelog import StripeLog

log = logging.getLogger(__name__)

HEARTBEAT_AFTER_US = 100_000
"""A link that has sent nothing for this long sends a heartbeat."""
HEARTBEAT_EVERY_US = 250_000
"""A heartbeat goes beside data too, so that the child learns how far it is behind."""
STANDBY_HEARTBEAT_AFTER_US = 1_000_000
"""The same for a link that only stands by."""
STALLED_AFTER = 0.75
"""Seconds without a word of a child, or without its taking any of what is sent to it, after which
its slot is given to others."""
SILENT_AFTER = 10.0
"""Seconds after which a child that says nothing is given up."""
BURST_BYTES = 256 << 10
"""What a newcomer may get at once before its catching up is paced."""
CATCH_UP_RATE = 3
"""A child catches up at most so many times as fast as its stripe flows, if it is the only one: what
is beyond the flow of its stripe a parent gives once, in equal parts."""
LEAST_SHARE_BYTES = 64 << 10
"""What all who catch up get at a time, at least."""
LIVE_BYTES = 1 << 20
"""The most that is written to a child at once."""
SKIP_WINDOW = 60.0
"""A child that falls off the log twice within so many seconds is detached."""
SKIP_BEHIND_US = 2_000_000
DetachReason = Literal["too_slow", "silent"]
"""Why a parent ends the link of a child: it fell off the log twice, or says nothing."""


class Upstream(Protocol):
    """What a parent knows of its own place in a stripe."""

    def path(self, stripe: Stripe) -> Sequence[PathEntry] | None:
        """Return the path from the server proxy to this parent itself; None: detached."""

    def starved(self, stripe: Stripe) -> bool:
        """Return whether the parent link is broken: there is none, or nothing comes on it."""

    def newest_keyframe(self) -> int:
        """Return the newest sequence number that starts a keyframe; 0: none."""

    def accepts(self, group_key: str) -> bool:
        """Return whether this is the channel's group key, the current or the previous one."""

    def delay(self) -> float:
        """Return the seconds from capture to delivery here."""

    def fields(self, stripe: Stripe, child: NodeId) -> Mapping[str, object]:
        """Return what log lines about a child carry: channel, stripe, node."""

    def sent(self, stripe: Stripe, node: NodeId, data: bytes) -> None:
        """Note the data frames that were written to a child at once."""

    def child_taken(self, stripe: Stripe, node: NodeId) -> None:
        """Note a new child."""

    def child_lost(self, stripe: Stripe, node: NodeId, reason: str) -> None:
        """Note that a child is gone: `bye` is an orderly end, `silent` may come back."""


@dataclass(slots=True)
class DownlinkStats:
    """Counts since the start, per stripe where a list."""

    sent_bytes: list[int]
    """RTP and RTCP bytes in data frames written to children."""
    header_bytes: int = 0
    heartbeat_bytes: int = 0
    control_bytes: int = 0
    skipped: int = 0
    """Sequence numbers that slow children were skipped over."""
    skips: list[int] = field(init=False)
    """Times that a slow child was skipped forward."""
    detached: dict[str, list[int]] = field(init=False)
    """Children whose link this parent ended, by reason."""
    refused: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        none = [0] * len(self.sent_bytes)
        self.skips = list(none)
        self.detached = {reason: list(none) for reason in get_args(DetachReason)}


class Place(NamedTuple):
    """Which child in which tree."""

    stripe: Stripe
    node: NodeId


class ChildFeed:
    """One child's link and cursor.

    New frames go out as soon as they are there once the child is `live`; before that it catches
    up with a bounded share each tick. A child that falls off the tail of the log is skipped
    forward, and the second time within `SKIP_WINDOW` detached. A standby gets heartbeats only.
    """

    __slots__ = (
        "_beat_us", "_budget", "_live_from", "_log", "_loop", "_peer_us", "_progress_at",
        "_sent_us", "_skipped_at", "_start", "_stats", "_taken", "_upstream", "cursor",
        "is_stalled", "link", "live", "node", "reason", "redirected_at", "standby", "stripe",
    )  # fmt: skip

    def __init__(
        self,
        link: Link,
        place: Place,
        own: StripeLog,
        upstream: Upstream,
        stats: DownlinkStats,
        *,
        start: int,
    ) -> None:
        """Begin at sequence number `start`."""
        self.standby = False
        """It is held, not fed, until it resumes."""
        self.link, self.node, self.stripe, self.cursor = link, place.node, place.stripe, start
        self.live = False
        """It has all there is, but for what its link does not take yet."""
        self.redirected_at: float | None = None
        self.reason = "closed"
        """Why the link will have ended."""
        self._log, self._upstream, self._stats = own, upstream, stats
        link.fields = upstream.fields(place.stripe, place.node)
        self._budget = BURST_BYTES
        self._sent_us = self._beat_us = 0
        self._peer_us = 0
        self._skipped_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._live_from = start
        """Where its cursor stood when it had been sent all there was."""
        self._start, self._taken, self._progress_at = start, -1, self._loop.time()
        """Where it began; newest sequence number that it has told, and when that last grew."""
        self.is_stalled = False

    def resume(self, start: int, first: int) -> None:
        """Feed a node that was held, from `start` on; say that `first` is the first to come."""
        self.standby, self.cursor, self._start = False, start, start
        self._progress_at = self._loop.time()
        self._write_control(encode_resume(first))

    def back_to(self, start: int) -> None:
        """Feed a child from `start` on whose cursor is ahead of all there is: it was misled.

        Any other has had what it asks for, or will have it: nothing is sent twice.
        """
        if self.cursor > max(start, (self._log.newest or 0) + 1):
            self.cursor = self._start = start
            self.live = False
            self._taken, self._progress_at = -1, self._loop.time()
            self.feed()

    def feed(self) -> None:
        """Write what there is."""
        if self.standby:
            return
        if self.live:
            self._write(LIVE_BYTES)
        elif self._budget > 0:
            self._budget -= self._write(self._budget)

    @property
    def behind(self) -> bool:
        """It is fed, and has not caught up yet."""
        return not self.live and not self.standby

    def catch_up(self, seconds: float, part: float = 1.0) -> None:
        """Give a child that is behind what flows in `seconds`, and its part of what is beyond."""
        if self.behind:
            flow = self._log.rate_bytes * seconds
            share = flow * (1 + (CATCH_UP_RATE - 1) * part)
            self._budget = int(max(LEAST_SHARE_BYTES * part, share))
            self.feed()

    def send(self, kind: FrameType, body: Part | Path) -> None:
        """Write a frame of the link itself."""
        self._write_control(encode_control(kind, encode_body(body)))

    def _write_control(self, data: bytes) -> None:
        self.link.write(data)
        self._stats.control_bytes += len(data)

    def redirect(self, targets: Sequence[Candidate], *, everyone: bool = False) -> None:
        """Send the child, or with `everyone` its descendants too, to the nearest of these."""
        if targets:
            self.redirected_at = self._loop.time()
            self.send(FrameType.REDIRECT, RedirectFrame(tuple(targets), everyone))

    def end(self, reason: EndReason) -> None:
        """Say why and close."""
        self.reason = reason
        self.send(FrameType.END, EndFrame(reason))
        self.link.close(reason)

    def heard(self, beat: Heartbeat) -> bool:
        """Take a heartbeat of the child; return whether it lacks only what has been sent just now.

        It has what there was when it became live: on a slow link something is always on its way.
        """
        self._peer_us = beat.time_us - self._now_us()
        if beat.newest > self._taken:
            self._taken, self._progress_at = beat.newest, self._loop.time()
        return self.live and (self._log.newest is None or beat.newest + 1 >= self._live_from)

    def stalled(self, now: float) -> bool:
        """Whether the child says nothing, or takes nothing of what is there for it."""
        if max(self._taken + 1, self._start) >= self.cursor:
            self._progress_at = now
        return now - min(self.link.heard, self._progress_at) > STALLED_AFTER

    def beat(self, *, at_once: bool = False) -> None:
        """Send a heartbeat if nothing has been sent for a while; give up a silent child."""
        now = self._loop.time()
        now_us = int(now * 1e6)
        if now - self.link.heard > SILENT_AFTER:
            self._detach("silent")
            self.link.abort("silent")
        if not at_once and not self._beat_is_due(now_us):
            return
        data = Heartbeat(
            newest=self._log.newest or 0,
            keyframe=self._upstream.newest_keyframe(),
            time_us=now_us,
            echo_us=max(0, self._peer_us + now_us) if self._peer_us else 0,
            starved=self._upstream.starved(self.stripe),
        ).encode()
        self.link.write(data)
        self._stats.heartbeat_bytes += len(data)
        self._sent_us = self._beat_us = now_us

    def _beat_is_due(self, now_us: int) -> bool:
        if self.standby:
            return now_us - self._sent_us >= STANDBY_HEARTBEAT_AFTER_US and not self.link.paused
        if now_us - self._beat_us >= HEARTBEAT_EVERY_US:
            return True  # behind what waits: how late it comes is what it tells
        return now_us - self._sent_us >= HEARTBEAT_AFTER_US and not self.link.paused

    def _write(self, most: int) -> int:
        """Write at most about `most` bytes; return how many."""
        if self.cursor < self._log.floor:
            self._skip()
        wrote = 0
        while wrote < most and not self.link.paused and not self.link.closed:
            data, self.cursor, count = self._log.read(self.cursor, most - wrote)
            if not data:
                if not self.live:
                    self.live, self._live_from = True, self.cursor
                break
            wrote += len(data)
            self._stats.sent_bytes[self.stripe] += len(data) - count * HEADER_BYTES
            self._stats.header_bytes += count * HEADER_BYTES
            self.link.write(data)
            self._upstream.sent(self.stripe, self.node, data)
        if wrote:
            self._sent_us = self._now_us()
        return wrote

    def _skip(self) -> None:
        if self.link.closed:
            return
        now = self._loop.time()
        if self._skipped_at is not None and now - self._skipped_at < SKIP_WINDOW:
            self._detach("too_slow")
            self.end("too_slow")
            return
        live = self._log.since_capture(self._log.newest_capture_us - SKIP_BEHIND_US)
        to = max(live, self._upstream.newest_keyframe(), self._log.floor)
        skipped = to - self.cursor
        self._stats.skipped += skipped
        self._stats.skips[self.stripe] += 1
        text = "child %s is too slow: %d sequence numbers skipped"
        log.warning(text, self.node, skipped, extra=self.link.fields)
        self.cursor, self._skipped_at = to, now

    def _detach(self, reason: DetachReason) -> None:
        if not self.standby and not self.link.closed:
            self._stats.detached[reason][self.stripe] += 1
        self.reason = reason

    def _now_us(self) -> int:
        return int(self._loop.time() * 1e6)

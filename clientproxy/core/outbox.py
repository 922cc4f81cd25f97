"""What waits for one player: bounded, so that a player that stalls holds back nobody.

Rules
-----
1. Packets leave in order, or are skipped: when too many bytes or too long a time wait, all of them
   go, and so do the next ones up to the next keyframe of the feed; without one for a while, as in
   a second video track, whose keyframes nobody marks, up to any packet.
2. What a session starts with, the packets since the last keyframe, always has room.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from clientproxy.core.playout import Outgoing
from common.frame import FLAG_KEYFRAME

MAX_WAITING_BYTES = 8 * 1024 * 1024
MAX_WAITING_TIME = 10.0
"""Seconds between the capture of the oldest and the newest packet that wait."""
MAX_KEYFRAME_WAIT = 5.0
"""Seconds of capture time after the beginning of a skip in which only a keyframe ends it."""
_MICROSECONDS = 1_000_000


@dataclass(slots=True)
class OutboxStats:
    """Plain counts."""

    skips: int = 0
    skipped_packets: int = 0


class Outbox:
    """The queue of one session; `stats` counts what was skipped."""

    def __init__(self) -> None:
        """Begin empty."""
        self.stats = OutboxStats()
        self._needs_keyframe = False
        self._waiting: deque[Outgoing] = deque()
        self._bytes = 0
        self._skipping = False
        self._skip_began_us = 0
        self._max_bytes = MAX_WAITING_BYTES
        self._max_us = int(MAX_WAITING_TIME * _MICROSECONDS)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """How much waits."""
        return self._bytes

    def start(self, backlog: Sequence[Outgoing], *, needs_keyframe: bool) -> None:
        """Take what the session starts with; forget what waited.

        `needs_keyframe`: after a skip the player can only go on at a keyframe, as it has video.
        """
        self.clear()
        self._needs_keyframe = needs_keyframe
        size = sum(len(item.payload) for item in backlog)
        self._max_bytes = max(MAX_WAITING_BYTES, 2 * size)
        span_us = backlog[-1].source.capture_us - backlog[0].source.capture_us if backlog else 0
        self._max_us = int(MAX_WAITING_TIME * _MICROSECONDS) + max(0, span_us)
        self._waiting.extend(backlog)
        self._bytes = size

    def put(self, items: Sequence[Outgoing]) -> bool:
        """Take packets; return whether a skip begins with them."""
        began = False
        for item in items:
            if self._skipping and not self._ends_skip(item):
                self.stats.skipped_packets += 1
                continue
            self._skipping = False
            self._waiting.append(item)
            self._bytes += len(item.payload)
            if self._is_full(item):
                self.stats.skips += 1
                self.stats.skipped_packets += len(self._waiting)
                self.clear()
                self._skipping = began = True
                self._skip_began_us = item.source.capture_us
        return began

    def take(self, max_bytes: int) -> list[Outgoing]:
        """Return the next packets, at least one if there is any, about `max_bytes` in all."""
        taken: list[Outgoing] = []
        size = 0
        waiting = self._waiting
        while waiting and size < max_bytes:
            item = waiting.popleft()
            size += len(item.payload)
            taken.append(item)
        self._bytes -= size
        return taken

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._bytes = 0
        self._skipping = False

    def _is_full(self, newest: Outgoing) -> bool:
        span_us = newest.source.capture_us - self._waiting[0].source.capture_us
        return self._bytes > self._max_bytes or span_us > self._max_us

    def _ends_skip(self, item: Outgoing) -> bool:
        if item.rtcp:
            return False
        if not self._needs_keyframe or item.source.flags & FLAG_KEYFRAME:
            return True
        waited_us = item.source.capture_us - self._skip_began_us
        return waited_us > MAX_KEYFRAME_WAIT * _MICROSECONDS

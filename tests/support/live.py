"""A stand-in feed that plays in real time."""

import asyncio
from collections.abc import Sequence

from common.frame import Packet
from tests.support.rtsp_feed import StandInFeed

UNIX_US = 1_790_000_000_000_000
"""When the stream begins."""


class Live:
    """A feed that plays packets in their time, a batch at each wake-up."""

    def __init__(self, feed: StandInFeed) -> None:
        self.feed = feed
        self.at = 0.0
        """Seconds of the stream so far."""

    async def play(self, packets: Sequence[Packet], seconds: float) -> None:
        """Play the first `seconds` of packets behind what was played before."""
        loop = asyncio.get_running_loop()
        base = self.at
        begin = loop.time()
        pending = [p for p in packets if p.capture_us < seconds * 1e6]
        while pending:
            now_us = (loop.time() - begin) * 1e6
            due = [p for p in pending if p.capture_us <= now_us]
            pending = pending[len(due) :]
            offset = UNIX_US + round(base * 1e6)
            if due:
                self.feed.play([p._replace(capture_us=offset + p.capture_us) for p in due])
            await asyncio.sleep(0.01)
        self.at = base + seconds

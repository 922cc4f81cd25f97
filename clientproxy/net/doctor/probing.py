"""Round trips to the server proxy, by the Probe that every node sends to its candidates."""

import asyncio

from common.attach import Probe, ProbeReply
from common.codec import decode_from_parent
from common.ids import Address
from common.messages import VERSION
from common.runtime.link import Idle, Link, connect

PROBE_EVERY = 0.1
"""Seconds between two probes, and from an answer to the next."""
ANSWER_WITHIN = 2.0
MAX_PROBES = 200


class Probing(Idle):
    """One link on which a probe follows the other."""

    def __init__(self, server: Address, channel: str, group_key: str) -> None:
        """Prepare; `run` does the work."""
        self.round_trips: list[float] = []
        """Seconds, in order."""
        self._server = server
        self._probe = Probe(version=VERSION, channel=channel, group_key=group_key)
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Probe until cancelled, or until an answer is missing."""
        loop = asyncio.get_running_loop()
        try:
            link = await connect(self._server, self)
        except OSError:
            return
        try:
            for _ in range(MAX_PROBES):
                self._answered.clear()
                began = loop.time()
                link.send(self._probe)
                async with asyncio.timeout(ANSWER_WITHIN):
                    await self._answered.wait()
                if link.closed:
                    return
                self.round_trips.append(loop.time() - began)
                await asyncio.sleep(PROBE_EVERY)
        except TimeoutError:
            return
        finally:
            link.abort("probed")

    def message(self, link: Link, text: bytes) -> None:
        """Conform to Handler."""
        if isinstance(decode_from_parent(text), ProbeReply):
            self._answered.set()

    def lost(self, link: Link, reason: str) -> None:
        """Conform to Handler."""
        self._answered.set()

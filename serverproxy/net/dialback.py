"""Dialling back, to see whether the node that joins can be reached by others."""

import asyncio
from collections.abc import Sequence

from common.codec import decode_from_probed
from common.ids import Address
from common.messages import VERSION, Hello, HelloReply, Refused
from common.runtime.link import Idle, Link, connect

DIAL_BACK_WITHIN = 3.0
"""Seconds that an address may take to connect, and to answer."""


async def dial_back(addresses: Sequence[Address], nonce: str) -> bool:
    """Return whether one of a node's addresses answers Hello with its nonce."""
    for address in addresses:
        answer = _HelloAnswer(asyncio.get_running_loop().create_future())
        try:
            link = await connect(address, answer, within=DIAL_BACK_WITHIN)
        except OSError:
            continue
        link.send(Hello(version=VERSION, nonce=nonce))
        try:
            async with asyncio.timeout(DIAL_BACK_WITHIN):
                if await answer.reply == nonce:
                    return True
        except TimeoutError:
            pass
        finally:
            link.abort("answered")
    return False


class _HelloAnswer(Idle):
    """Handler of a dial-back."""

    def __init__(self, reply: asyncio.Future[str]) -> None:
        self.reply = reply

    def message(self, link: Link, text: bytes) -> None:
        match decode_from_probed(text):
            case HelloReply(nonce=nonce):
                self._answer(nonce)
            case Refused():
                self._answer("")

    def lost(self, link: Link, reason: str) -> None:
        self._answer("")

    def _answer(self, nonce: str) -> None:
        if not self.reply.done():
            self.reply.set_result(nonce)

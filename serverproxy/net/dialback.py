"""Dialling back, to see whether the node that joins can be reached by others."""

import asyncio
from collections.abc import Sequence

from common.codec import decode_from_probed
from common.ids import Address
from common.messages import VERSION, Hello, HelloReply, Refused
from common.runtime.link import Idle, Link, connect

DIAL_BACK_WITHIN = 3.0
"""Seconds that an address may take to connect, and to answer."""
DIAL_BACK_IN_ALL = 5.0
"""Seconds for all addresses of one node together: who names silent ones keeps others waiting."""
MAX_DIALLED = 3
"""Addresses of one node that are dialled: any peer can name addresses that are not its own."""
MAX_AT_ONCE = 32
"""Nodes that are dialled back at the same time; the others wait and join without slots."""


async def dial_back(
    addresses: Sequence[Address], nonce: str, at_once: asyncio.Semaphore
) -> tuple[Address, ...]:
    """Return the first of a node's addresses that answers Hello with its nonce; () if none does.

    `at_once` is shared by all that are dialled back, `MAX_AT_ONCE` of them.
    """
    async with at_once:
        try:
            async with asyncio.timeout(DIAL_BACK_IN_ALL):
                for address in addresses[:MAX_DIALLED]:
                    if await _answers(address, nonce):
                        return (address,)
        except TimeoutError:
            pass
    return ()


async def _answers(address: Address, nonce: str) -> bool:
    answer = _HelloAnswer(asyncio.get_running_loop().create_future())
    try:
        link = await connect(address, answer, within=DIAL_BACK_WITHIN)
    except OSError:
        return False
    link.send(Hello(version=VERSION, nonce=nonce))
    try:
        async with asyncio.timeout(DIAL_BACK_WITHIN):
            return await answer.reply == nonce
    except TimeoutError:
        return False
    finally:
        link.abort("answered")


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

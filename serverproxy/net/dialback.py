"""Dialling back, to see whether the node that joins can be reached by others."""

import asyncio
from collections.abc import Sequence

from common.codec import decode_from_probed
from common.ids import Address
from common.messages import VERSION, Hello, HelloReply, Refused
from common.runtime.link import Idle, Link, connect
from serverproxy.core.turns import Turn, Turns

DIAL_BACK_WITHIN = 3.0
"""Seconds that an address may take to connect, and to answer."""
DIAL_BACK_IN_ALL = 5.0
"""Seconds for all addresses of one node together."""
MAX_DIALLED = 3
"""Addresses of one node that are dialled: any peer can name addresses that are not its own."""
SOON = 0.5
"""Seconds after which a dial hangs: the next one begins beside it."""


class DialBacks:
    """The dial-backs of one channel, so many at once as `core.turns` says.

    As many wait as nodes have a link; those whose dial hangs are at most those that begin within
    `DIAL_BACK_IN_ALL`: 1,280.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._turns = Turns()
        self._begins: dict[Turn, asyncio.Event] = {}

    async def dial(
        self, addresses: Sequence[Address], nonce: str, host: str
    ) -> tuple[Address, ...]:
        """Dial a node that joined from `host` when its turn comes; cancelled, it is as if never."""
        turn = Turn(host)
        begins = self._begins[turn] = asyncio.Event()
        self._turns.wait(turn)
        try:
            self._begin()
            await begins.wait()
            hanging = asyncio.get_running_loop().call_later(SOON, self._hangs, turn)
            try:
                return await dial_back(addresses, nonce)
            finally:
                hanging.cancel()
        finally:
            self._begins.pop(turn, None)
            self._turns.end(turn)
            self._begin()

    def _hangs(self, turn: Turn) -> None:
        self._turns.hangs(turn)
        self._begin()

    def _begin(self) -> None:
        for turn in self._turns.due():
            self._begins.pop(turn).set()


async def dial_back(addresses: Sequence[Address], nonce: str) -> tuple[Address, ...]:
    """Return the first of a node's addresses that answers Hello with its nonce; () if none does."""
    try:
        async with asyncio.timeout(DIAL_BACK_IN_ALL):
            for address in addresses[:MAX_DIALLED]:
                if await _answers(address, nonce):
                    return (address,)
    except TimeoutError:
        pass
    return ()


async def within(
    dialled: asyncio.Task[tuple[Address, ...]], seconds: float | None
) -> tuple[str, ...]:
    """Wait so long for a dial-back, None: until it ends; return what it has found by then."""
    await asyncio.wait({dialled}, timeout=seconds)
    if not dialled.done() or dialled.cancelled():
        return ()
    return tuple(map(str, dialled.result()))


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

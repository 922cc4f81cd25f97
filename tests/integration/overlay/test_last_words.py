"""Who ends a link has the last word, also where the peer was just about to say something."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from common.codec import encode_message
from common.ids import Address
from common.messages import VERSION, Hello, Leave
from common.runtime import link as links
from common.runtime.link import Idle, Link, connect
from common.runtime.listener import Listener
from tests.support.overlay import until


class Listening(Idle):
    """Takes note of what comes."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.heard: list[bytes] = []
        self.ended: list[str] = []

    def message(self, link: Link, text: bytes) -> None:
        self.links.append(link)
        self.heard.append(text)

    def lost(self, link: Link, reason: str) -> None:
        self.ended.append(reason)


class Refusing(Listening):
    """Refuses each message; something else happens as soon as the link is closed."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self._then = then

    def message(self, link: Link, text: bytes) -> None:
        super().message(link, text)
        link.refuse("bad_request", "not now")
        asyncio.get_running_loop().call_soon(self._then)


@asynccontextmanager
async def listening(handler: Listening) -> AsyncIterator[Address]:
    listener = Listener(lambda: handler)
    try:
        yield await listener.start(Address("127.0.0.1", 0))
    finally:
        await listener.close()


async def test_a_peer_that_writes_to_a_link_that_is_closed_hears_why() -> None:
    """Bytes for a closed socket are answered with a reset, which overtakes what was written."""
    own = Listening()

    def speak() -> None:
        for _ in range(3):
            link.write(encode_message(Leave()))

    far = Refusing(speak)
    async with listening(far) as address:
        link = await connect(address, own)
        link.send(Hello(version=VERSION, nonce="0" * 32))
        await until(lambda: bool(own.ended), 10, "the link has ended")
        assert [b"not now" in text for text in own.heard] == [True]
        assert far.ended == ["bad_request"]
        assert len(far.heard) == 1, "what comes after the last word is nobody's"


async def talk_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(encode_message(Leave()))
        await writer.drain()
        await asyncio.sleep(0.02)


async def test_a_peer_that_does_not_close_is_waited_for_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(links, "CLOSE_WITHIN", 0.2)
    far = Refusing(lambda: None)
    async with listening(far) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(encode_message(Hello(version=VERSION, nonce="0" * 32)))
        assert b"not now" in await reader.read()
        assert far.ended == ["bad_request"], "its owner does not wait"
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(talk_on(writer), 10)
        writer.transport.abort()


async def test_a_link_that_its_peer_resets_just_then_ends_like_any_other() -> None:
    peer = socket.socket()
    # Linger for no time at all: closing sends a reset.
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far = Listening()
    async with listening(far) as address:
        peer.connect(tuple(address))
        peer.send(encode_message(Hello(version=VERSION, nonce="0" * 32)))
        await until(lambda: bool(far.links), 10, "it is heard")
        peer.close()
        far.links[0].close("enough")
        await until(lambda: bool(far.ended), 10, "the link has ended")
        assert far.ended == ["enough"]

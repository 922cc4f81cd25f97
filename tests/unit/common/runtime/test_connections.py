"""HTTP connections: so many and no more, and none that never asks."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from common.ids import Address
from common.runtime import connections
from common.runtime.http import EVENTS, HttpServer
from tests.unit.common.runtime.test_gate import Bell

GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEALTH = GET % b"/healthz"


class Callers:
    """Connections to one server."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._writers: list[asyncio.StreamWriter] = []

    async def call(self, request: bytes = b"") -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
        self._writers.append(writer)
        writer.write(request)
        return reader

    def say(self, request: bytes) -> None:
        """Ask once more on the last connection."""
        self._writers[-1].write(request)

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
async def callers() -> AsyncIterator[Callers]:
    server = HttpServer(registry=CollectorRegistry(), status=dict, ready=lambda: (True, ""))
    server.serve_events(lambda _: {})
    callers = Callers(await server.start(Address("127.0.0.1", 0)))
    async with asyncio.timeout(30):
        yield callers
        callers.hang_up()
        await server.close()


async def answered(reader: asyncio.StreamReader) -> bool:
    """Return whether there is an answer, before the end."""
    try:
        return (await reader.read(8)).startswith(b"HTTP/1.1")
    except ConnectionError:
        return False


async def test_so_many_connections_and_no_more(
    callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    assert await answered(await callers.call(HEALTH))
    assert await answered(await callers.call(HEALTH))
    assert not await answered(await callers.call(HEALTH))
    callers.hang_up()
    while not await answered(await callers.call(HEALTH)):
        continue


@pytest.mark.parametrize("sent", [b"", HEALTH[:-2]])
async def test_who_does_not_ask_is_closed(
    callers: Callers, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "ASKS_WITHIN", 0.05)
    assert not await answered(await callers.call(sent))


async def test_who_listens_stays(callers: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ASKS_WITHIN", 2.0)
    reader = await callers.call(GET % EVENTS.encode())
    for _ in range(4):  # the first at once, the others a second later each
        await reader.readuntil(b"event: snapshot")


async def test_who_asks_for_nothing_more_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_TIMEOUT", 0.05)
    bell = Bell(None)
    callers = Callers(await bell.server.start(Address("127.0.0.1", 0)))
    async with asyncio.timeout(30):
        assert (await (await callers.call(HEALTH)).read()).endswith(b"alive\n")
    callers.hang_up()
    await bell.server.close()


async def test_an_action_whose_body_does_not_come_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bell = Bell(None)
    callers = Callers(await bell.server.start(Address("127.0.0.1", 0)))
    reader = await callers.call(HEALTH)
    await reader.readuntil(b"alive\n")
    monkeypatch.setattr(connections, "ASKS_WITHIN", 0.05)
    callers.say(
        b"POST /api/v1/things/bell/press HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        b"Content-Type: application/json\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    callers.hang_up()
    await bell.server.close()
    assert bell.rung == 0

"""Server-sent events: shared, bounded, and nobody waits for who is slow."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from common.ids import Address
from common.runtime import eventstream
from common.runtime.http import EVENTS, HttpServer

SOON = 0.05


class Pages:
    """What a daemon shows, and how often it was asked."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.padding: dict[str, str] = {}
        self.server = HttpServer(
            registry=CollectorRegistry(), status=dict, ready=lambda: (True, "")
        )
        self.server.serve_events(self.snapshot)
        self.address = Address("", 0)

    def snapshot(self, subject: str) -> dict[str, object]:
        self.made.append(subject)
        return {
            "subject": subject,
            "number": len(self.made),
            "padding": self.padding.get(subject, ""),
        }

    async def listen(
        self, subject: str = "cam", method: str = "GET"
    ) -> tuple[asyncio.StreamReader, str]:
        """Return the stream and the head of the answer."""
        reader, writer = await asyncio.open_connection(self.address.host, self.address.port)
        self.writers.append(writer)
        request = f"{method} {EVENTS}?channel={subject} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        writer.write(request.encode())
        return reader, (await reader.readuntil(b"\r\n\r\n")).decode()


@pytest.fixture
async def pages(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pages]:
    monkeypatch.setattr(eventstream, "EVERY", SOON)
    pages = Pages()
    pages.address = await pages.server.start(Address("127.0.0.1", 0))
    async with asyncio.timeout(30):
        yield pages
        await pages.server.close()
        for writer in pages.writers:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def event(reader: asyncio.StreamReader) -> dict[str, object]:
    """Return the next snapshot."""
    while not (line := await reader.readline()).startswith(b"data: "):
        assert line, "the stream has ended"
    found: dict[str, object] = json.loads(line.removeprefix(b"data: "))
    return found


async def test_snapshots_come_one_after_another(pages: Pages) -> None:
    reader, head = await pages.listen()
    assert "Content-Type: text/event-stream" in head
    assert "Cache-Control: no-store" in head
    numbers = [(await event(reader))["number"] for _ in range(3)]
    assert numbers == sorted(numbers, key=str)
    assert len(set(numbers)) == 3


async def test_all_who_listen_share_a_snapshot(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventstream, "EVERY", 1000.0)
    readers = [(await pages.listen())[0] for _ in range(5)]
    assert {(await event(reader))["number"] for reader in readers} == {1}
    other, _ = await pages.listen("lobby")
    assert (await event(other))["subject"] == "lobby"
    assert pages.made == ["cam", "lobby"]


async def test_while_nobody_listens_nothing_is_made(pages: Pages) -> None:
    assert pages.made == []
    reader, _ = await pages.listen()
    await event(reader)
    pages.writers[-1].close()
    seen = -1
    while len(pages.made) != seen:  # until the stream has noticed
        seen = len(pages.made)
        await asyncio.sleep(4 * SOON)


async def test_so_many_subjects_are_kept_and_no_more(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for one name after another fills no memory."""
    monkeypatch.setattr(eventstream, "EVERY", 1000.0)
    monkeypatch.setattr(eventstream, "MAX_LISTENERS", 2)
    for subject in ("a", "b", "b", "c", "a"):
        _, head = await pages.listen(subject, "HEAD")
        assert head.startswith("HTTP/1.1 200")
    assert pages.made == ["a", "b", "c", "a"]


async def test_so_many_listen_and_no_more(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventstream, "MAX_LISTENERS", 2)
    await pages.listen()
    await pages.listen()
    _, head = await pages.listen()
    assert head.startswith("HTTP/1.1 503")
    assert "Retry-After: 5" in head


async def test_who_may_not_listen_costs_no_snapshot(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventstream, "MAX_LISTENERS", 0)
    assert (await pages.listen())[1].startswith("HTTP/1.1 503")
    assert pages.made == []


async def test_who_takes_nothing_is_closed_and_keeps_nobody_waiting(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventstream, "SLOW", 0.3)
    pages.padding["cam"] = "x" * 20_000_000
    slow, _ = await pages.listen()
    assert slow is not None
    reader, _ = await pages.listen("lobby")
    first = await event(reader)
    while pages.server.listeners == 2:
        last = await event(reader)
        assert last != first
    assert pages.server.listeners == 1


async def test_the_end_of_the_daemon_ends_all_streams_at_once(pages: Pages) -> None:
    reader, _ = await pages.listen()
    await event(reader)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await pages.server.close()
    await reader.read()
    assert loop.time() - began < 5

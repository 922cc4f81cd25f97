"""What a client proxy tells of itself over HTTP."""

import argparse
import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clientproxy.app import ClientProxy
from clientproxy.config import load
from common.ids import Address
from common.runtime import eventstream
from common.runtime.daemon import Stop
from tests.support.overlay import until

FLAGS = (
    "server",
    "listen",
    "rtsp",
    "http",
    "max_children",
    "join",
    "log_level",
    "log_format",
    "pcap",
)
PORTS = "".join(f"{key}: 127.0.0.1:0\n" for key in ("listen", "rtsp", "http"))


class Client:
    """A client proxy in this process, and the file that it follows."""

    def __init__(self, file: Path) -> None:
        self.file, self.stop, self.http = file, Stop(), Address("", 0)

    def reload(self, text: str) -> None:
        self.file.write_text(PORTS + text)
        self.stop.reload()

    async def get(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Ask; the head of the answer is read."""
        reader, writer = await asyncio.open_connection(self.http.host, self.http.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        return reader, writer

    async def server(self) -> object:
        """Return the server proxy that the status names."""
        reader, writer = await self.get("/api/v1/status")
        found: dict[str, object] = json.loads(await reader.read())
        writer.close()
        await writer.wait_closed()
        return found["server"]


@pytest.fixture
async def client(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Client]:
    caplog.set_level(logging.INFO)
    one = Client(tmp_path / "clientproxy.yaml")
    one.file.write_text(PORTS + "server: one.example\n")
    args = argparse.Namespace(**dict.fromkeys(FLAGS), config=one.file)
    task = asyncio.get_running_loop().create_task(ClientProxy(load(args)).run(one.stop))

    def listening() -> list[str]:
        return [str(getattr(one, "http", "")) for one in caplog.records if one.msg == "listening"]

    try:
        await until(lambda: bool(listening()) or task.done(), 30, "it listens")
        one.http = Address.parse(listening()[0], 0)
        yield one
    finally:
        one.stop.set()
        await task


async def test_the_status_names_the_server_proxy_of_the_last_reload(client: Client) -> None:
    assert await client.server() == "one.example:7854"
    client.reload("server: other.example\n")
    assert await client.server() == "other.example:7854"
    client.reload("")
    assert await client.server() is None


async def test_all_who_listen_share_a_snapshot_whatever_they_ask_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventstream, "EVERY", 1000.0)
    events = []
    for channel in ("one", "other"):
        reader, writer = await client.get(f"/api/v1/events?channel={channel}")
        events.append(await reader.readuntil(b"data: "))
        events.append(await reader.readline())
        client.reload("server: other.example\n")
        writer.close()
        await writer.wait_closed()
    assert events[:2] == events[2:]

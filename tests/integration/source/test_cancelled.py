"""A source that is cancelled ends, at whatever moment that comes: a daemon waits for it."""

import asyncio

import pytest
from aiortsp.rtsp.errors import RTSPConnectionError, RTSPTimeoutError

from serverproxy.core.events import SourceDescription
from serverproxy.core.rtspurl import SourceUrl
from serverproxy.net.source.connection import SourceConnection
from serverproxy.net.source.settings import SourceSettings
from serverproxy.net.source.source import Source


class Nobody:
    """A sink that takes no interest."""

    def source_up(self, description: SourceDescription) -> None: ...

    def source_packets(self, packets: object) -> None: ...

    def source_down(self, reason: str) -> None: ...


@pytest.mark.parametrize("turns", range(12))
async def test_it_ends_at_any_turn_of_the_loop(turns: int) -> None:
    """Nothing listens at port 1: the refusal and the cancellation meet at one of these turns."""
    source = Source(SourceSettings(url="rtsp://127.0.0.1:1/"), Nobody(), channel="cam")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(source.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        task.cancel()
    assert done


@pytest.mark.parametrize("method", ["connect", "request"])
async def test_a_cancellation_wins_over_the_error_that_comes_with_it(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = SourceUrl.parse("rtsp://camera/live")
    connection = SourceConnection(url, None, tls=None, timeout=1.0, on_lost=lambda _: None)

    async def fails(*_: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        raise RTSPConnectionError("refused") if method == "connect" else RTSPTimeoutError("late")

    monkeypatch.setattr(
        connection, {"connect": "prepare", "request": "send_request"}[method], fails
    )

    async def work() -> None:
        if method == "connect":
            await connection.connect()
        else:
            await connection.request("PLAY", "*", {})

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()

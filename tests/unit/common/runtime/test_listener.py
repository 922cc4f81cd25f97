"""What strangers can have written into the log."""

import asyncio
import logging

import pytest

from common.ids import Address
from common.runtime import listener
from common.runtime.link import Idle, Link
from common.runtime.listener import MOST_REFUSALS, Listener
from tests.support.overlay import until


class Refusing(Idle):
    """Refuses whatever comes, with a level that the test sets."""

    def __init__(self) -> None:
        self.level = logging.INFO
        self.refused = 0

    def message(self, link: Link, text: bytes) -> None:
        self.refused += 1
        link.refuse("version", "another version", level=self.level)


async def test_refused_links_of_one_host_are_told_so_often(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "REFUSALS_WITHIN", 1000.0)
    caplog.set_level(logging.DEBUG, logger="common.runtime.link")
    first = Refusing()
    port = Listener(lambda: first)
    address = await port.start(Address("127.0.0.1", 0))

    async def strangers(count: int, local: str = "127.0.0.1") -> list[str]:
        """Return the lines."""
        caplog.clear()
        before = first.refused
        for _ in range(count):
            _, writer = await asyncio.open_connection(*address, local_addr=(local, 0))
            writer.write(b"00002\n{}")
            await writer.drain()
            writer.close()
        await until(lambda: first.refused == before + count, 20, "all are refused")
        return [line for line in caplog.messages if " refused: " in line]

    lines = await strangers(120)
    assert len(lines) == MOST_REFUSALS + 1
    assert all("refused: another version (version)" in line for line in lines[: MOST_REFUSALS - 1])
    ends = ["; 10 of 127.0.0.1 within a minute, the 100th is told next)"]
    ends += ["; 100 of 127.0.0.1 within a minute, the 1000th is told next)"]
    assert all(line.endswith(end) for line, end in zip(lines[-2:], ends, strict=True))
    assert len(await strangers(1, "127.0.0.2")) == 1, "others are told of"
    first.level = logging.DEBUG
    assert len(await strangers(1)) == 1, "who wants to see all sees it"
    await port.close()

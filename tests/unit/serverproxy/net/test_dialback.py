"""Dialling back to addresses that say nothing."""

import asyncio

import pytest

from common.ids import Address
from serverproxy.net import dialback
from serverproxy.net.dialback import MAX_DIALLED, dial_back


async def test_silent_addresses_hold_a_place_no_longer_than_one_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dialled: list[Address] = []

    async def silent(address: Address, nonce: str) -> bool:
        dialled.append(address)
        await asyncio.Event().wait()
        return not nonce

    monkeypatch.setattr(dialback, "_answers", silent)
    monkeypatch.setattr(dialback, "DIAL_BACK_IN_ALL", 0.01)
    at_once = asyncio.Semaphore(1)
    addresses = [Address("127.0.0.1", 1 + number) for number in range(MAX_DIALLED)]
    async with asyncio.timeout(10):
        assert await dial_back(addresses, "nonce", at_once) == ()
    assert dialled == addresses[:1]
    assert not at_once.locked()

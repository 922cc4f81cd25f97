"""Dialling back to addresses that say nothing."""

import asyncio

import pytest

from common.ids import Address
from common.runtime.tasks import Tasks
from serverproxy.core.turns import MAX_AT_ONCE, MAX_AT_ONE_HOST
from serverproxy.net import dialback
from serverproxy.net.dialback import MAX_DIALLED, DialBacks, dial_back, within

ADDRESSES = [Address("127.0.0.1", 1 + number) for number in range(MAX_DIALLED)]
HONEST = [Address("127.0.0.2", 1)]
DEAD = 200


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[Address]:
    """Return the addresses that were dialled; the honest one answers at once, no other ever."""
    dialled: list[Address] = []

    async def answers(address: Address, nonce: str) -> bool:
        dialled.append(address)
        if address not in HONEST:
            await asyncio.Event().wait()
        return bool(nonce)

    monkeypatch.setattr(dialback, "_answers", answers)
    return dialled


async def test_silent_addresses_are_dialled_no_longer_than_one_deadline(
    monkeypatch: pytest.MonkeyPatch, dialled: list[Address]
) -> None:
    monkeypatch.setattr(dialback, "DIAL_BACK_IN_ALL", 0.01)
    async with asyncio.timeout(10):
        assert await DialBacks().dial(ADDRESSES, "nonce", "host") == ()
    assert dialled == ADDRESSES[:1]
    assert await dial_back(HONEST, "nonce") == tuple(HONEST)


@pytest.mark.parametrize("hosts", [1, MAX_AT_ONCE // MAX_AT_ONE_HOST])
async def test_who_keeps_silent_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, dialled: list[Address], hosts: int
) -> None:
    """With so many such hosts all places are taken until it is seen that the dials hang."""
    monkeypatch.setattr(dialback, "DIAL_BACK_IN_ALL", 1000.0)
    monkeypatch.setattr(dialback, "SOON", 0.01)
    dialbacks, tasks = DialBacks(), Tasks()
    for number in range(DEAD):
        stranger = f"stranger {number % hosts}"
        tasks.spawn(dialbacks.dial(ADDRESSES, "nonce", stranger), name="dead")
    await asyncio.sleep(0)
    at_first = len(dialled)
    async with asyncio.timeout(20):
        assert await dialbacks.dial(HONEST, "nonce", "honest") == tuple(HONEST)
    assert dialled[at_first:] == HONEST
    await tasks.close()


async def test_who_is_gone_is_not_waited_for(dialled: list[Address]) -> None:
    dialbacks, tasks = DialBacks(), Tasks()
    dead = [
        tasks.spawn(dialbacks.dial(ADDRESSES, "nonce", "host"), name="dead") for _ in range(DEAD)
    ]
    await asyncio.sleep(0)
    for one in dead:
        one.cancel()
    await asyncio.wait(dead)
    before = len(dialled)
    async with asyncio.timeout(20):
        assert await dialbacks.dial(HONEST, "nonce", "host") == tuple(HONEST)
    assert dialled[before:] == HONEST
    assert await within(dead[0], None) == ()

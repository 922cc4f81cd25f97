"""No child holds up another, no link is one too many, no silent candidate costs a stripe."""

import asyncio
from collections.abc import Callable

import pytest

from clientproxy.net.channels import FirstMessage
from common.attach import Attach
from common.codec import encode_message
from common.frame import FrameReader, Heartbeat
from common.ids import Address, Stripe
from common.messages import VERSION
from common.runtime import listener as listeners
from common.runtime.link import Idle, Link
from common.runtime.listener import Listener
from common.runtime.tasks import Tasks
from tests.integration.overlay.conftest import Join
from tests.support.overlay import InProcessNode, until
from tests.support.synthetic import SyntheticServer, Viewer, synthetic

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def attach(server: SyntheticServer, node: str, start: int) -> Streams:
    """Attach to stripe 0 of the server proxy as a leaf."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port, limit=4096)
    request = Attach(
        version=VERSION,
        channel="cam",
        stripe=0,
        node=node,
        group_key=server.channel.feed.group_key,
        serve=None,
        slots=0,
        addresses=(),
        start=start,
        orphan=True,
    )
    writer.write(encode_message(request))
    await reader.readexactly(int(await reader.readexactly(6)))
    return reader, writer


async def beat(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(Heartbeat(0, 0, 1, 0, False).encode())
        await asyncio.sleep(0.1)


async def drip(reader: asyncio.StreamReader) -> None:
    """Read more slowly than the stripe flows, but go on reading."""
    while True:
        await reader.read(1200)
        await asyncio.sleep(0.01)


async def test_a_child_that_catches_up_is_not_held_up_by_one_that_is_too_slow(
    seconds: Callable[[float], float],
) -> None:
    tasks = Tasks()
    async with synthetic(children_per_stripe=4) as server:
        server.up()
        start = server.channel.feed.numbering.next
        play = server.play(count=4, size=1000)
        slow = await attach(server, "slow", start)
        tasks.spawn(drip(slow[0]), name="drip")
        tasks.spawn(beat(slow[1]), name="beat")
        own = server.channel.feed.logs[0]
        await until(lambda: own.size_bytes > 1 << 20, seconds(60), "a megabyte of history")
        reader, writer = await attach(server, "newcomer", start)
        tasks.spawn(beat(writer), name="beat")
        frames, last = FrameReader(), 0
        async with asyncio.timeout(seconds(20)):
            while last < (own.newest or 0) - 40:
                got = frames.feed(await reader.read(65_536)).packets
                last = got[-1].seq if got else last
        play.cancel()
        for one in (slow[1], writer):
            one.close()
        await tasks.close()


async def test_links_beyond_the_bound_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "MAX_LINKS", 3)
    listener = Listener(Idle)
    address = await listener.start(Address("127.0.0.1", 0))
    ends = [await asyncio.open_connection("127.0.0.1", address.port) for _ in range(8)]
    await until(lambda: sum(r.at_eof() or bool(r.exception()) for r, _ in ends) == 5, 10, "five")
    for _, writer in ends:
        writer.close()
    await listener.close()


async def test_a_candidate_that_says_nothing_costs_no_packet(
    join: Join, seconds: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its port takes links and answers none, like that of a stopped process."""
    async with synthetic() as server:
        server.up()
        play = server.play()
        await join(server)
        real = FirstMessage.message

        def deaf(self: FirstMessage, link: Link, text: bytes) -> None:
            if b'"Hello"' in text:
                real(self, link, text)

        monkeypatch.setattr(FirstMessage, "message", deaf)
        host = InProcessNode(server.address)
        node = await host.join("cam")
        viewer = Viewer(node)
        await until(lambda: node.joined, seconds(30), "joined all the same")
        await until(lambda: len(viewer.numbers) > 100, seconds(20), "packets")
        assert viewer.exact
        assert node.feed.lost == 0
        play.cancel()
        await host.close()


async def test_a_child_that_nothing_was_sent_to_keeps_its_slot(
    seconds: Callable[[float], float],
) -> None:
    """The source is idle: who is heard and has nothing to take is not stalled."""
    tasks = Tasks()
    async with synthetic(repair_slots=0) as server:
        server.up()
        start = server.channel.feed.numbering.next
        _, writer = await attach(server, "idle", start)
        tasks.spawn(beat(writer), name="beat")
        await asyncio.sleep(seconds(1.5))
        assert server.channel.feed.downlink.children.free(Stripe(0)) == 0
        writer.close()
        await tasks.close()

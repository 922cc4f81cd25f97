"""What a node serves changes while it asks for a parent: the parent learns it all the same."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from clientproxy.net.node import Node
from common.attach import Attached, ProbeReply
from common.codec import decode_serve, encode_message
from common.fields import Candidate, ServeFrame
from common.frame import FrameReader, FrameType
from common.ids import Address, NodeId, Stripe
from common.messages import Serve
from tests.integration.overlay.conftest import Join
from tests.support.overlay import until
from tests.support.synthetic import synthetic

S0 = Stripe(0)


class Parent:
    """A parent that takes its time with Attached."""

    def __init__(self) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.served: list[ServeFrame] = []
        self.closed = asyncio.Event()
        self.address = Address("127.0.0.1", 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not self.asked.is_set():
                text = await reader.readexactly(int(await reader.readexactly(6)))
                if b'"Attach"' in text:
                    self.asked.set()
                else:
                    reply = ProbeReply(stripes=(0, 1), newest=1, delay=0.0, free_slots=1)
                    writer.write(encode_message(reply))
            await self.answer.wait()
            writer.write(encode_message(Attached(first=1, newest=1, keyframe=1, path=())))
            frames = FrameReader()
            while data := await reader.read(65536):
                for kind, body in frames.feed(data).control:
                    if kind is FrameType.SERVE:
                        self.served.append(decode_serve(body))
        finally:
            writer.close()
            self.closed.set()


@asynccontextmanager
async def slow_parent() -> AsyncIterator[Parent]:
    """Let it listen; in the end its link has been closed by the other side."""
    parent = Parent()
    server = await asyncio.start_server(parent.serve, "127.0.0.1", 0)
    parent.address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield parent
    finally:
        server.close()


def serving(node: Node, serve: int, slots: int) -> None:
    node.told(Serve(serve=serve, slots=slots, addresses=("192.0.2.7:7855",)))


@pytest.mark.parametrize("standby", [False, True])
async def test_a_serve_between_attach_and_attached_is_told_with_attached(
    join: Join, seconds: Callable[[float], float], standby: bool
) -> None:
    async with synthetic() as server, slow_parent() as parent:
        server.up()
        _, node = await join(server)
        stripes = node.stripes
        assert stripes is not None
        target = Candidate("slow", (str(parent.address),), 0.0, available=True)
        if standby:
            stripes.uplink.standby(S0, (target,))
        else:
            stripes.uplink.candidates(S0, (target,), 1.0)
            search = stripes.uplink.search
            stripes.uplink.redirected(S0, search.parent(S0) or NodeId(""), (target,))
        await until(parent.asked.is_set, seconds(10), "the node has sent Attach")
        serving(node, 1, 5)
        serving(node, 1, 7)
        parent.answer.set()
        await until(lambda: bool(parent.served), seconds(5), "the parent has been told")
        assert parent.served[-1] == ServeFrame(1, 7, ("192.0.2.7:7855",))
        # Attached, told, and now all that follows is told at once.
        serving(node, 0, 7)
        if standby:
            told = ServeFrame(0, 7, ("192.0.2.7:7855",))
            await until(lambda: parent.served[-1] == told, seconds(5), "told at once")

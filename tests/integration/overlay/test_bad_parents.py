"""A parent or server proxy that breaks the protocol loses its node, and harms nothing else."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from common.attach import Attached, ProbeReply
from common.codec import encode_body, encode_message
from common.fields import Candidate, EndFrame
from common.frame import FrameType, Packet, encode, encode_control
from common.ids import ROOT, Address
from common.messages import Clock, Message, Redirect, Refused
from tests.integration.overlay.conftest import Join
from tests.support.overlay import InProcessNode, until
from tests.support.synthetic import Viewer, synthetic

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted(answer: bytes) -> AsyncIterator[tuple[Address, list[int]]]:
    """Listen, answer every first message with these bytes, and count who came."""
    came: list[int] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        length = await reader.readexactly(6)
        await reader.readexactly(int(length))
        came.append(1)
        writer.write(answer)
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1]), came
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)


ATTACHED = encode_message(Attached(first=1, newest=1, keyframe=1, path=()))
UNASKED: dict[str, Message] = {
    "attached": Attached(first=2**61, newest=1, keyframe=1, path=()),
    "probed": ProbeReply(stripes=(0, 1), newest=1, delay=0.0, free_slots=1),
    "redirected": Redirect(stripe=0, parent="evil", targets=()),
    "refused": Refused(reason="full", sentence="no"),
    "clock": Clock(sent_us=1, received_us=1, replied_us=1),
}
ANSWERS = {
    "nothing but noise": b"\x80" * 1000,
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "wrong stripe": ATTACHED + encode(Packet(5, 1, 0, 0, b"x")) + encode(Packet(6, 1, 0, 0, b"x")),
    "backwards": ATTACHED + encode(Packet(8, 1, 0, 0, b"x")) + encode(Packet(6, 1, 0, 0, b"x")),
    "too long": ATTACHED + b"\xff\xff\xff\xff\x01",
    "unknown frame": ATTACHED + b"\0\0\0\x01\x63",
    "end": ATTACHED + encode_control(FrameType.END, encode_body(EndFrame("left"))),
    "broken end": ATTACHED + encode_control(FrameType.END, b"{}"),
    "broken path": ATTACHED + encode_control(FrameType.PATH, b"[1]"),
    "resume": ATTACHED + encode_control(FrameType.RESUME),
    **{f"unasked: {name}": encode_message(message) for name, message in UNASKED.items()},
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_bad_parent_is_left_for_the_good_one(
    join: Join,
    name: str,
    seconds: Callable[[float], float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The node was redirected there; it keeps its stream, whole, from who had it before."""
    caplog.set_level(logging.INFO)
    async with synthetic() as server, scripted(ANSWERS[name]) as (evil, came):
        server.up()
        play = server.play()
        _, node = await join(server)
        viewer = Viewer(node)
        await until(lambda: len(viewer.numbers) > 20, seconds(10), "the stream flows")
        stripes = node.stripes
        assert stripes is not None
        for stripe in stripes.stripes:
            target = Candidate("evil", (str(evil),), 0.0, available=True)
            stripes.uplink.redirected(stripe, ROOT, (target,))
        await until(lambda: bool(came), seconds(10), "the node has come")
        await asyncio.sleep(0.3)
        await until(lambda: node.joined, seconds(20), "the node has good parents")
        play.cancel()
        sent = server.sent
        await until(lambda: viewer.numbers[-1] == sent - 1, seconds(20), "the stream goes on")
        assert viewer.exact
        assert node.feed.lost == 0
        assert name != "resume" or "(bad_frame)" in caplog.text


@pytest.mark.parametrize("name", ["nothing but noise", "http", "unasked: attached", "too long"])
async def test_a_bad_server_proxy_is_tried_again(
    name: str, seconds: Callable[[float], float], caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted(ANSWERS[name]) as (evil, came):
        host = InProcessNode(evil)
        node = await host.join("cam")
        await until(lambda: len(came) > 1, seconds(20), "the node comes again")
        assert not node.joined
        await host.close()
    assert "Traceback" not in caplog.text
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []

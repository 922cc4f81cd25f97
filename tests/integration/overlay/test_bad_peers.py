"""Whatever comes to an overlay port ends its own link, and nothing else."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from clientproxy.net.node import Node
from common.attach import Probe
from common.clock import MAX_CLOCK_STEP
from common.codec import encode_body, encode_message
from common.fields import EndFrame, StripeState
from common.frame import FrameType, Heartbeat, Packet, encode, encode_control
from common.ids import Address
from common.messages import VERSION, Hello, Join, Leave, Message, Rejoin
from common.runtime import listener
from serverproxy.core.numbering import MARGIN
from tests.integration.overlay.conftest import Join as JoinNode
from tests.support.overlay import until
from tests.support.synthetic import SyntheticServer, Viewer, synthetic

TLS_CLIENT_HELLO = bytes.fromhex("160301020001 0001fc0303") + bytes(range(200))


async def talk(address: Address, data: bytes, within: float) -> bytes:
    """Send bytes and return all that comes until the other side closes."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        async with asyncio.timeout(within):
            try:
                writer.write(data)
                await writer.drain()
                return await reader.read()
            except ConnectionError:
                return b""
    finally:
        writer.transport.abort()


def refusal(answer: bytes) -> str:
    """Return the reason of the Refused that an answer ends with; `closed` without one."""
    text = answer[answer.rfind(b"{") :]
    if not text:
        return "closed"
    message = json.loads(text)
    assert message["MessageType"] == "Refused"
    assert message["sentence"]
    return str(message["reason"])


class Target:
    """A server and a node with its viewer, both alive, and their overlay ports."""

    def __init__(self, server: SyntheticServer, node: Node, viewer: Viewer) -> None:
        self.server, self.node, self.viewer = server, node, viewer
        assert node.stripes is not None
        (text,) = node.stripes.offer.addresses
        self.ports = {"server": server.address, "client": Address.parse(text, 0)}
        self.key = node.stripes.offer.group_key
        self.instance = node.stripes.offer.instance

    def attach(self, **changes: object) -> bytes:
        fields: dict[str, object] = {
            "MessageType": "Attach",
            "version": VERSION,
            "channel": "cam",
            "stripe": 0,
            "node": "stranger",
            "group_key": self.key,
            "serve": None,
            "slots": 0,
            "addresses": [],
            "start": 1,
            "orphan": True,
        }
        text = json.dumps(fields | changes).encode()
        return b"%05d\n%s" % (len(text), text)


@pytest.fixture
async def target(join: JoinNode, seconds: Callable[[float], float]) -> AsyncIterator[Target]:
    """Yield a running overlay; in the end its stream must be whole."""
    async with synthetic() as server:
        server.up()
        play = server.play()
        _, node = await join(server)
        found = Target(server, node, Viewer(node))
        yield found
        play.cancel()
        await until(
            lambda: found.viewer.numbers[-1] == server.sent - 1, seconds(20), "the stream goes on"
        )
        assert found.viewer.exact
        assert node.joined


def join_message(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "MessageType": "Join",
        "version": VERSION,
        "channel": "cam",
        "port": 1,
        "nonce": "x",
        "sent_us": 1,
    }
    text = json.dumps(fields | changes).encode()
    return b"%05d\n%s" % (len(text), text)


GARBAGE = {
    "noise": bytes(range(128, 256)) * 50,
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": TLS_CLIENT_HELLO,
    "ten megabytes without a newline": b"7" * 10_000_000,
    "no json": b"00003\n{{{",
    "no object": b"00002\n[]",
    "empty": b"00000\n",
    "unknown type": b'00024\n{"MessageType": "Sesame"}'[:30],
    "deep": b"99999\n" + b"[" * 99_999,
    "not utf-8": b"00004\n\xff\xfe\xfd\xfc",
    "unknown field": join_message(sesame=1),
    "field out of bounds": join_message(port=0),
    "lone surrogate": join_message(channel="\ud800"),
    "another version": join_message(version=VERSION + 1),
    "a report first": encode_message(Leave()),
}


@pytest.mark.parametrize("port", ["server", "client"])
@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_refused(
    target: Target, port: str, name: str, seconds: Callable[[float], float]
) -> None:
    answer = await talk(target.ports[port], GARBAGE[name], seconds(20))
    if len(GARBAGE[name]) < 100_000:
        assert refusal(answer) in {"bad_request", "version", "unknown_channel"}


@pytest.mark.parametrize("port", ["server", "client"])
async def test_half_a_message_is_waited_for_only_so_long(
    target: Target, port: str, seconds: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is who says nothing at all."""
    monkeypatch.setattr(listener, "FIRST_MESSAGE_TIMEOUT", 0.2)
    for begin in (b"", b"001", b'00100\n{"MessageType"'):
        assert refusal(await talk(target.ports[port], begin, seconds(20))) == "bad_request"


@pytest.mark.parametrize("port", ["server", "client"])
async def test_who_has_probed_and_says_no_more_is_closed_too(
    target: Target, port: str, seconds: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "FIRST_MESSAGE_TIMEOUT", 0.2)
    probe = Probe(version=VERSION, channel="cam", group_key=target.key)
    answer = await talk(target.ports[port], encode_message(probe), seconds(20))
    assert b"ProbeReply" in answer


@pytest.mark.parametrize("port", ["server", "client"])
@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"group_key": "wrong"}, {"unauthorized", "unknown_channel"}),
        ({"stripe": 7}, {"bad_request"}),
        ({"stripe": 99}, {"bad_request"}),
        ({"version": 9}, {"version"}),
        ({"node": "root"}, {"loop"}),
        ({"channel": "other", "group_key": "wrong"}, {"unknown_channel"}),
    ],
)
async def test_who_may_not_attach_is_told_why(
    target: Target,
    port: str,
    changes: dict[str, object],
    reasons: set[str],
    seconds: Callable[[float], float],
) -> None:
    answer = await talk(target.ports[port], target.attach(**changes), seconds(20))
    assert refusal(answer) in reasons


BEFORE_THE_CHANNEL: dict[str, tuple[str, Message]] = {
    "join a client": ("client", Join(version=1, channel="cam", port=1, nonce="x", sent_us=1)),
    "greet a server": ("server", Hello(version=1, nonce="x")),
    "greet with a wrong nonce": ("client", Hello(version=1, nonce="x")),
    "greet in another version": ("client", Hello(version=7, nonce="x")),
    "join what is not there": (
        "server",
        Join(version=1, channel="x\n", port=1, nonce="x", sent_us=1),
    ),
}


@pytest.mark.parametrize("name", BEFORE_THE_CHANNEL)
async def test_what_is_not_for_this_port_is_refused(
    target: Target, name: str, seconds: Callable[[float], float]
) -> None:
    port, message = BEFORE_THE_CHANNEL[name]
    answer = await talk(target.ports[port], encode_message(message), seconds(20))
    assert refusal(answer) in {"bad_request", "unauthorized", "version", "unknown_channel"}


def data(seq: int) -> bytes:
    return encode(Packet(seq, 1, 0, 0, b"x" * 20))


BINARY = {
    "data from a child": data(2),
    "a frame too long": b"\xff\xff\xff\xff\x01",
    "an empty frame": b"\0\0\0\0\0",
    "an unknown frame": encode_control(FrameType.HEARTBEAT)[:4] + b"\x63",
    "a broken heartbeat": encode_control(FrameType.HEARTBEAT, b"xx"),
    "a broken end": encode_control(FrameType.BYE, b"{"),
    "a redirect from a child": encode_control(FrameType.REDIRECT, b"{}"),
    "a good end": encode_control(FrameType.BYE, encode_body(EndFrame("bye"))),
    "a message": encode_message(Leave()),
}


@pytest.mark.parametrize("port", ["server", "client"])
@pytest.mark.parametrize("name", BINARY)
async def test_a_child_that_breaks_the_protocol_is_let_go(
    target: Target, port: str, name: str, seconds: Callable[[float], float]
) -> None:
    sent = target.attach() + Heartbeat(0, 0, 1, 0, starved=False).encode() + BINARY[name]
    answer = await talk(target.ports[port], sent, seconds(20))
    assert b'"Attached"' in answer
    assert target.node.stripes is not None
    children = target.node.stripes.downlink.children
    await until(lambda: not list(children), seconds(10), "its slot is free")


async def test_frames_on_a_control_link_end_it(
    target: Target, seconds: Callable[[float], float]
) -> None:
    """Also before the Offer; and what a node said in vain leaves nothing behind."""
    answer = await talk(target.ports["server"], join_message() + data(1), seconds(20))
    assert refusal(answer) == "bad_request"
    membership = target.server.channel.control.membership
    assert target.node.stripes is not None
    here = [n for n, m in membership.members.items() if not m.away_since]
    assert here == [target.node.stripes.offer.node]


async def offered_to(target: Target, message: Rejoin, within: float) -> str:
    """Return the node id of the Offer that answers a Rejoin; the node leaves again."""
    reader, writer = await asyncio.open_connection(*target.ports["server"])
    writer.write(encode_message(message))
    async with asyncio.timeout(within):
        length = int(await reader.readexactly(6))
        offer = json.loads(await reader.readexactly(length))
    writer.write(encode_message(Leave()))
    writer.close()
    await writer.wait_closed()
    return str(offer["node"])


def returning(node: str, instance: int, *newest: int, nonce: str = "x") -> Rejoin:
    states = (StripeState(stripe, False, None, (), one) for stripe, one in enumerate(newest))
    return Rejoin(
        join=Join(version=VERSION, channel="cam", port=1, nonce=nonce, sent_us=1),
        node=node,
        instance=instance,
        stripes=tuple(states),
        players=0,
        group_key="an old key",
    )


@pytest.mark.parametrize("node", ["root", "n7", "stranger"])
async def test_who_comes_back_under_a_name_that_nobody_gave_is_a_newcomer(
    target: Target, node: str, seconds: Callable[[float], float]
) -> None:
    """A later node could be given it, or it is the server proxy's own."""
    message = returning(node, target.instance, 0, 0)
    assert (await offered_to(target, message, seconds(20))).startswith("n2-")


@pytest.mark.parametrize(
    ("node", "newest"),
    [("root", (0, 0)), ("n7-old", (0,)), ("n7-old", (2**62, 0)), ("n7-old", (0, 0, 0))],
    ids=["the server proxy", "fewer stripes", "numbers from nowhere", "more stripes"],
)
async def test_who_cannot_go_on_after_a_restart_begins_afresh(
    target: Target, node: str, newest: tuple[int, ...], seconds: Callable[[float], float]
) -> None:
    before = target.server.channel.feed.numbering.next
    message = returning(node, target.instance - 1, *newest)
    assert (await offered_to(target, message, seconds(20))).startswith("n2-")
    assert target.server.channel.feed.numbering.next < before + MARGIN
    assert not target.server.channel.feed.accepts("an old key")


async def test_no_false_number_makes_nodes_leave_their_parents(
    target: Target, seconds: Callable[[float], float]
) -> None:
    """Of the highest number that nodes take the server proxy would go on above it."""
    newest = target.server.channel.feed.now_us() + MAX_CLOCK_STEP * 1_000_000 - 1_000_000
    message = returning("n7-old", target.instance - 1, newest, newest)
    assert (await offered_to(target, message, seconds(20))).startswith("n2-")
    assert target.server.channel.feed.numbering.next < newest


async def test_of_two_that_claim_the_same_id_the_first_has_it(
    target: Target, seconds: Callable[[float], float]
) -> None:
    mine = returning("n7-old", target.instance - 1, 0, 0, nonce="mine")
    assert await offered_to(target, mine, seconds(20)) == "n7-old"
    theirs = returning("n7-old", target.instance - 1, 0, 0, nonce="theirs")
    assert (await offered_to(target, theirs, seconds(20))).startswith("n2-")


async def test_nobody_who_has_joined_is_given_another_key_because_of_a_stranger(
    target: Target, caplog: pytest.LogCaptureFixture, seconds: Callable[[float], float]
) -> None:
    """Nor is a control link ended: with one message a stranger would end those of all."""
    feed = target.server.channel.feed
    own = feed.group_key
    caplog.set_level(logging.INFO)
    message = returning("n7-old", target.instance - 1, 0, 0)
    assert await offered_to(target, message, seconds(20)) == "n7-old"
    assert feed.group_key == own
    assert target.node.joined
    assert not [one for one in caplog.messages if "control link" in one]

"""The server proxy is killed and started again on its port: trees and stream go on (Z33)."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from clientproxy.net import control as client_control
from clientproxy.net import node as node_module
from clientproxy.net.node import Node
from common.ids import ROOT, NodeId, Stripe
from common.messages import Candidates, Clock, Message, Redirect, Rejoin, Serve, Standby
from common.messages import Join as JoinMessage
from common.runtime.link import Link
from serverproxy.net import control as server_control
from serverproxy.net.control import Control
from tests.integration.overlay.conftest import Join
from tests.support.overlay import until
from tests.support.synthetic import H265, SyntheticServer, Viewer, synthetic

Parents = list[NodeId | None]


def parents(node: Node) -> Parents:
    assert node.stripes is not None
    return [node.stripes.uplink.search.parent(stripe) for stripe in node.stripes.stripes]


def name(node: Node) -> NodeId:
    assert node.stripes is not None
    return NodeId(node.stripes.offer.node)


def key(node: Node) -> str:
    assert node.stripes is not None
    return node.stripes.offer.group_key


def told(server: SyntheticServer, node: Node) -> Parents:
    trees = server.channel.control.membership.trees
    if name(node) not in trees:
        return []
    return [trees.parent(name(node), Stripe(stripe)) for stripe in (0, 1)]


def agrees(server: SyntheticServer, nodes: list[Node]) -> bool:
    """Whether the trees are what the nodes say, with a parent for all, and nobody is to move."""
    trees = server.channel.control.membership.trees
    if not all(None not in parents(n) and told(server, n) == parents(n) for n in nodes):
        return False
    names = [name(node) for node in nodes]
    moving = [trees.moving_to(one, Stripe(s)) for one in names for s in (0, 1)]
    owed = [trees.excess(one) + trees.shared(one) for one in names] + [trees.excess(ROOT)]
    return not any(moving) and not any(owed)


class Restarts:
    """A server proxy on one port, in several lives, and nodes that are watched."""

    def __init__(
        self, stack: AsyncExitStack, join: Join, seconds: Callable[[float], float]
    ) -> None:
        self._stack, self._join, self._seconds = stack, join, seconds
        self.nodes: list[Node] = []
        self.viewers: list[Viewer] = []
        self.server: SyntheticServer

    async def start(self, **settings: object) -> SyntheticServer:
        port = self.server.address.port if self.nodes else 0
        if self.nodes:
            await asyncio.sleep(0.11)  # ids of another process differ by tenths of a second
        self.server = await self._stack.enter_async_context(synthetic(port, **settings))
        return self.server

    async def add(self, count: int) -> None:
        for _ in range(count):
            self.nodes.append((await self._join(self.server))[1])
            self.viewers.append(Viewer(self.nodes[-1]))

    async def settle(self) -> None:
        await until(
            lambda: agrees(self.server, self.nodes), self._seconds(60), "the trees say the same"
        )

    async def all_have(self, number: int) -> None:
        await until(
            lambda: all(one.numbers[-1:] == [number] for one in self.viewers),
            self._seconds(60),
            f"all have {number}: {[one.numbers[-1:] for one in self.viewers]}",
        )


@pytest.fixture
async def restarts(join: Join, seconds: Callable[[float], float]) -> AsyncIterator[Restarts]:
    asyncio.get_running_loop().set_debug(False)  # it doubles the work of two dozen nodes
    async with AsyncExitStack() as stack:
        yield Restarts(stack, join, seconds)


async def test_ids_trees_and_links_stay_and_the_stream_goes_on(restarts: Restarts) -> None:
    """Only the server proxy's own children move: they come back to it."""
    server = await restarts.start()
    server.up()
    server.push(30)
    await restarts.add(8)
    await restarts.settle()
    server.push(30)
    await restarts.all_have(59)
    before = {name(node): parents(node) for node in restarts.nodes}
    stripes = [node.stripes for node in restarts.nodes]
    await server.kill()
    server = await restarts.start()
    server.up()
    await restarts.settle()
    assert {name(node): parents(node) for node in restarts.nodes} == before
    assert [node.stripes for node in restarts.nodes] == stripes
    rejoins: Counter[str] = Counter()
    for one in stripes:
        assert one is not None
        for (_, reason), count in one.rejoins.items():
            rejoins[reason] += count
    assert rejoins == {"closed": 2}, "the two children of the server proxy"
    server.sent = 60
    server.push(40)
    await restarts.all_have(99)
    for node, viewer in zip(restarts.nodes, restarts.viewers, strict=True):
        assert viewer.exact
        assert (viewer.restarts, viewer.end, node.feed.lost) == (1, None, 0)


async def test_who_joins_the_new_process_first_takes_nobodys_id_or_place(
    restarts: Restarts, join: Join
) -> None:
    server = await restarts.start()
    server.up()
    server.push(30)
    await restarts.add(4)
    await restarts.settle()
    before = {name(node) for node in restarts.nodes}
    await server.kill()
    server = await restarts.start()
    server.up()
    early = [(await join(server))[1] for _ in range(2)]
    assert not before & {name(node) for node in early}
    await restarts.settle()
    assert {name(node) for node in restarts.nodes} == before
    restarts.nodes += early
    await until(lambda: len({key(node) for node in restarts.nodes}) == 1, 30, "all know one key")
    restarts.viewers += [Viewer(node) for node in early]
    await restarts.settle()
    server.sent = 30
    server.push(30)
    await restarts.all_have(59)


@pytest.mark.parametrize("dial_back_wait", [0.15, 0.0])
async def test_with_another_number_of_stripes_all_begin_afresh(
    restarts: Restarts, monkeypatch: pytest.MonkeyPatch, dial_back_wait: float
) -> None:
    """The players stay: the codecs are the same. Also if a slot is free for some only later."""
    monkeypatch.setattr(server_control, "DIAL_BACK_WAIT", dial_back_wait)
    server = await restarts.start()
    server.up()
    server.push(30)
    await restarts.add(4)
    await restarts.all_have(29)
    before = [node.stripes for node in restarts.nodes]
    await server.kill()
    server = await restarts.start(stripes=1)
    server.up()
    server.sent = 40
    server.push(20)
    await restarts.all_have(59)
    # Not by their ids: a server proxy that is back within 0.1 s gives the same ones.
    assert all(node.stripes is not old for node, old in zip(restarts.nodes, before, strict=True))
    assert [(one.restarts, one.end) for one in restarts.viewers] == [(1, None)] * 4


async def test_other_codecs_after_the_restart_end_the_players(restarts: Restarts) -> None:
    server = await restarts.start()
    server.up()
    server.push(30)
    await restarts.add(3)
    await restarts.all_have(29)
    await server.kill()
    server = await restarts.start()
    server.up(H265)
    server.push(10)
    await until(lambda: all(one.end for one in restarts.viewers), 30, "all are told")
    assert {one.end for one in restarts.viewers} == {
        "the source has other codecs, or another format, now"
    }


async def test_numbers_go_on_where_the_clock_was_set_back(restarts: Restarts) -> None:
    """The new process begins below what the nodes have: it goes above, and they do not notice."""
    server = await restarts.start()
    server.channel.feed.numbering.next += 3_600_000_000
    server.up()
    server.push(30)
    await restarts.add(4)
    await restarts.all_have(29)
    await server.kill()
    server = await restarts.start()
    server.up()
    server.push(3)
    await restarts.settle()
    server.sent = 30
    server.push(30)
    await restarts.all_have(59)
    assert {node.feed.lost for node in restarts.nodes} == {0}
    assert {name(node).split("-")[0] for node in restarts.nodes} == {"n1", "n2", "n3", "n4"}


async def test_twice_in_a_row(restarts: Restarts, caplog: pytest.LogCaptureFixture) -> None:
    """Each daemon says what happens in a few lines."""
    caplog.set_level(logging.INFO)
    server = await restarts.start()
    server.up()
    server.push(30)
    await restarts.add(5)
    await restarts.settle()
    before = {name(node): parents(node) for node in restarts.nodes}
    caplog.clear()
    for sent in (30, 60):
        await server.kill()
        server = await restarts.start()
        server.up()
        await restarts.settle()
        server.sent = sent
        server.push(30)
        await restarts.all_have(sent + 29)
    assert {name(node): parents(node) for node in restarts.nodes} == before
    assert all(one.exact for one in restarts.viewers)
    lines = [one for one in caplog.records if one.name.startswith("clientproxy")]
    assert len(lines) <= 2 * 6 * 5, [one.message for one in lines]


async def test_while_it_is_away_nobody_leaves_a_tree_that_works(
    restarts: Restarts,
) -> None:
    """For longer than a starved node waits."""
    server = await restarts.start()
    server.up()
    server.push(30)
    await restarts.add(8)
    await restarts.settle()
    before = {name(node): parents(node) for node in restarts.nodes}
    await server.kill()
    await asyncio.sleep(6)
    server = await restarts.start()
    server.up()
    await restarts.settle()
    server.sent = 30
    server.push(30)
    await restarts.all_have(59)
    assert {name(node): parents(node) for node in restarts.nodes} == before
    assert all(one.exact for one in restarts.viewers)


async def test_two_dozen_nodes_come_back_each_once_and_the_stream_with_the_first(
    restarts: Restarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have waited longer and longer, each for itself; who lacks a parent comes soon."""
    server = await restarts.start()
    server.up()
    server.push(30)
    await restarts.add(24)
    await restarts.settle()
    before = {name(node): parents(node) for node in restarts.nodes}
    loop = asyncio.get_running_loop()
    came: list[float] = []
    joined = Control.joined

    def noted(control: Control, link: Link, message: JoinMessage | Rejoin) -> None:
        came.append(loop.time())
        joined(control, link, message)

    monkeypatch.setattr(Control, "joined", noted)
    await server.kill()
    await asyncio.sleep(3)
    server = await restarts.start()
    server.up()
    await until(
        lambda: len(list(server.channel.feed.downlink.children)) == 2, 30, "the stream goes on"
    )
    await restarts.settle()
    assert len(came) == 24
    assert {name(node): parents(node) for node in restarts.nodes} == before
    server.sent = 30
    server.push(30)
    await restarts.all_have(59)


class Blackout:
    """What the node's control links carry is lost, both ways; the data links are not touched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = False
        joined, heard, sent = Control.joined, Control.message, Link.send

        def new_link(control: Control, link: Link, message: JoinMessage | Rejoin) -> None:
            if not self.on:
                joined(control, link, message)

        def message(control: Control, link: Link, text: bytes) -> None:
            if not self.on:
                heard(control, link, text)

        def send(link: Link, one: Message) -> None:
            if not self.on or not isinstance(one, Candidates | Clock | Redirect | Serve | Standby):
                sent(link, one)

        monkeypatch.setattr(Control, "joined", new_link)
        monkeypatch.setattr(Control, "message", message)
        monkeypatch.setattr(Link, "send", send)
        monkeypatch.setattr(client_control, "SILENT_AFTER", 1.0)
        monkeypatch.setattr(server_control, "SILENT_AFTER", 1.0)
        monkeypatch.setattr(client_control, "OFFER_WITHIN", 0.5)
        monkeypatch.setattr(node_module, "REPORT_EVERY", 0.3)


async def test_without_control_links_the_stream_goes_on(
    restarts: Restarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than a node may be away; then all come back to the places that they have."""
    blackout = Blackout(monkeypatch)
    server = await restarts.start(repair_grace=1)
    server.up()
    play = server.play()
    await restarts.add(8)
    await restarts.settle()
    before = {name(node): parents(node) for node in restarts.nodes}
    blackout.on = True
    members = server.channel.control.membership.members
    await until(
        lambda: all(member.away_since is not None for member in members.values()), 30, "all away"
    )
    await asyncio.sleep(3)
    assert {name(node): parents(node) for node in restarts.nodes} == before
    blackout.on = False
    await restarts.settle()
    play.cancel()
    await restarts.all_have(server.sent - 1)
    assert {name(node): parents(node) for node in restarts.nodes} == before
    assert all(one.exact for one in restarts.viewers)
    assert [node.stripes.rejoins for node in restarts.nodes if node.stripes] == [{}] * 8

"""SIGHUP on a client proxy: who watches goes on; what the server proxy has to know it is told."""

import argparse
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clientproxy.config import load
from clientproxy.net.channels import JoinedChannels
from common.errors import ConfigError
from common.ids import Address, NodeId, Stripe
from common.runtime.listener import Listener
from common.runtime.tasks import Tasks
from serverproxy.app import ServerProxy
from tests.support.logs import held
from tests.support.overlay import InProcessNode, Watcher, running_server, until

CARD = "testcard:?size=160x90&rate=10"
FLAGS = ("config", "server", "listen", "rtsp", "http", "max_children", "join")
LOG_FLAGS = ("log_level", "log_format", "pcap")

Seconds = Callable[[float], float]


class Reloading:
    """The channels of a client proxy in this process, and the file that they follow."""

    def __init__(self, file: Path, server: ServerProxy) -> None:
        self._file, self._server = file, server.overlay
        self.write("")
        flags: dict[str, object] = {**dict.fromkeys((*FLAGS, *LOG_FLAGS)), "config": file}
        self.channels = JoinedChannels(load(argparse.Namespace(**flags)))

    def write(self, text: str) -> None:
        self._file.write_text(f"server: {self._server}\n{text}\n")

    def reload(self, text: str) -> None:
        self.write(text)
        self.channels.reload()

    @property
    def joined(self) -> set[str]:
        return {node.channel for node in self.channels.nodes.values() if node.joined}


@asynccontextmanager
async def reloading(file: Path, server: ServerProxy) -> AsyncIterator[Reloading]:
    one = Reloading(file, server)
    listener = Listener(one.channels.first_handler)
    one.channels.overlay = await listener.start(Address("127.0.0.1", 0))
    tasks = Tasks()
    tasks.spawn(one.channels.run(), name="linger")
    try:
        yield one
    finally:
        await tasks.close()
        await one.channels.close()
        await listener.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clientproxy.yaml"


async def test_channels_to_join_come_and_go_and_the_others_play_on(
    file: Path, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running_server(a=CARD, b=CARD) as server, reloading(file, server) as client:
        node = client.channels.join("a", Address.parse(server.overlay, 0))
        await until(lambda: node.feed.stats.delivered > 0, seconds(20), "a packet of a")
        watcher = Watcher(node)
        assert node.stripes is not None
        logs = node.stripes.logs
        await until(lambda: min(map(held, logs)) > 1.5, seconds(20), "enough is held")
        client.reload("join: [b]\nlinger: 0\nreorder_timeout: 1\nlog_time: 1")
        assert [record.getMessage() for record in caplog.records if "reload" in record.msg] == [
            "reloaded: join, reorder_timeout, linger, log_time: counts at once",
        ]
        await until(lambda: client.joined == {"a", "b"}, seconds(20), "b is joined")
        await until(lambda: max(map(held, logs)) <= 1, seconds(20), "less is held")
        client.reload("linger: 0")
        await until(lambda: client.joined == {"a"}, seconds(20), "b is left again")
        before = node.feed.stats.delivered
        await until(lambda: node.feed.stats.delivered > before + 10, seconds(20), "a goes on")
        assert (node.feed.lost, node.feed.viewers) == (0, 1)
        assert not watcher.capture.gaps("video")


async def test_fewer_children_are_told_to_the_server_proxy_and_nobody_loses_a_packet(
    file: Path, seconds: Seconds
) -> None:
    """The children are handed over, the player of this node plays on."""
    async with running_server(a=CARD) as server, reloading(file, server) as client:
        address = Address.parse(server.overlay, 0)
        node = client.channels.join("a", address)
        await until(lambda: node.joined, seconds(20), "joined")
        hosts = [InProcessNode(address) for _ in range(3)]
        try:
            others = [await host.join("a") for host in hosts]
            every = [node, *others]
            await until(lambda: all(one.joined for one in every), seconds(20), "all joined")
            trees = server.channels["a"].control.membership.trees
            assert node.stripes is not None
            name = NodeId(node.stripes.offer.node)

            def children() -> list[NodeId]:
                return [one for s in (0, 1) for one in trees.children(name, Stripe(s))]

            await until(lambda: bool(children()), seconds(20), "it has children")
            client.reload("max_children: 0")
            await until(lambda: trees.slots(name) == 0, seconds(20), "the server proxy knows")
            await until(lambda: not children(), seconds(30), "the children are with others")
            await until(lambda: all(one.joined for one in every), seconds(20), "all have parents")
            before = [one.feed.stats.delivered for one in every]
            await until(
                lambda: all(
                    one.feed.stats.delivered > least + 10
                    for one, least in zip(every, before, strict=True)
                ),
                seconds(20),
                "all go on",
            )
            assert [one.feed.lost for one in every] == [0] * 4
            assert node.stripes.offer.node == name
        finally:
            for host in hosts:
                await host.close()


async def test_a_bad_file_changes_nothing(file: Path) -> None:
    async with running_server(a=CARD) as server, reloading(file, server) as client:
        before = client.channels.config
        with pytest.raises(ConfigError) as refused:
            client.reload("join: [a/b]\nlinger: soon")
        assert len(refused.value.faults) == 2
        assert client.channels.config is before


async def test_ports_are_named_as_needing_a_restart(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running_server(a=CARD) as server, reloading(file, server) as client:
        client.reload("rtsp: 0.0.0.0:8554")
        assert client.channels.config.rtsp == ("127.0.0.1", 8554)
        client.reload("rtsp: 0.0.0.0:8554")
        client.reload("")
        assert [record.getMessage() for record in caplog.records if "reload" in record.msg] == [
            "reloaded: rtsp: needs a restart",
            "reloaded: rtsp: needs a restart",
            "reloaded: nothing has changed",
        ]

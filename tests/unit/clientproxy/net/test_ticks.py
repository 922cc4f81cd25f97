"""A bug in what a client proxy does again and again ends nothing: players would see that."""

import asyncio

import pytest

from clientproxy.config import ClientConfig
from clientproxy.net.channels import JoinedChannels
from clientproxy.net.control import ControlLink
from clientproxy.net.node import Node
from clientproxy.net.rtsp_server import RtspServer
from common.ids import Address
from common.runtime.metrics import LoopLag
from common.runtime.tasks import Tasks
from tests.support.overlay import until

CONFIG = ClientConfig.model_validate({"server": "127.0.0.1:7854"})
NOBODY = Address("127.0.0.1", 1)


def fails(*_: object) -> None:
    raise KeyError("a bug")


async def test_a_node_ticks_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControlLink, "run", lambda _: asyncio.Event().wait())
    monkeypatch.setattr(ControlLink, "tick", fails)
    lag, tasks = LoopLag(), Tasks()
    node = Node("cam", NOBODY, CONFIG, NOBODY, tasks, lag=lag)
    tasks.spawn(node.run(), name="node")
    await until(lambda: lag.failures > 1, 30, "it goes on")
    await tasks.close()


async def test_channels_are_left_on(monkeypatch: pytest.MonkeyPatch) -> None:
    channels, tasks = JoinedChannels(CONFIG), Tasks()
    monkeypatch.setattr(channels, "_heed", fails)
    tasks.spawn(channels.run(), name="linger")
    await until(lambda: channels.lag.failures > 1, 30, "it goes on")
    assert channels.lag.beats > 1
    await tasks.close()


async def test_sessions_end_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clientproxy.net.rtsp_server._TICK", 0.01)
    monkeypatch.setattr(RtspServer, "_expire", fails)
    lag, tasks = LoopLag(), Tasks()
    server = RtspServer(JoinedChannels(CONFIG), tasks, lag=lag)
    await server.start(Address("127.0.0.1", 0))
    await until(lambda: lag.failures > 1, 30, "it goes on")
    await server.close()
    await tasks.close()

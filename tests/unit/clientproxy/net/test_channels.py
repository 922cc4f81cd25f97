"""Channels are left once each, also at the end of the daemon, and none is joined after that."""

import asyncio

import pytest

from clientproxy.config import ClientConfig
from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.channels import JoinedChannels
from clientproxy.net.node import Node
from common.ids import Address
from common.runtime.tasks import Tasks
from tests.support.overlay import until

SERVER = Address("127.0.0.1", 1)


class Leaving:
    """Takes note of nodes that are closed; each takes until `go_on` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.go_on = asyncio.Event()

        async def run(_: Node) -> None:
            pass

        async def close(node: Node) -> None:
            self.begun.append(node.channel)
            await self.go_on.wait()
            self.ended.append(node.channel)

        monkeypatch.setattr(Node, "run", run)
        monkeypatch.setattr(Node, "close", close)


async def test_what_is_being_left_at_the_end_is_left_once_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leaving, tasks = Leaving(monkeypatch), Tasks()
    channels = JoinedChannels(ClientConfig.model_validate({"server": str(SERVER), "linger": 0}))
    channels.join("unwatched", SERVER)
    tasks.spawn(channels.run(), name="linger")
    await until(lambda: leaving.begun == ["unwatched"], 30, "it is being left")
    channels.join("other", SERVER)
    end = tasks.spawn(channels.close(), name="end")
    await until(lambda: "other" in leaving.begun, 30, "the other one is being left too")
    assert not end.done()
    leaving.go_on.set()
    await end
    assert leaving.begun == leaving.ended == ["unwatched", "other"]
    await tasks.close()


async def test_a_channel_that_takes_long_to_leave_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leaving, tasks = Leaving(monkeypatch), Tasks()
    channels = JoinedChannels(ClientConfig.model_validate({"server": str(SERVER), "linger": 0}))
    tasks.spawn(channels.run(), name="linger")
    for name in ("slow", "next"):
        channels.join(name, SERVER)
        await until(lambda: list(channels.nodes) == [], 30, f"{name} is being left")
    assert leaving.ended == []
    leaving.go_on.set()
    await channels.close()
    await tasks.close()


async def test_none_is_joined_any_more_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for a player, nor because the configuration is read again."""
    leaving, tasks = Leaving(monkeypatch), Tasks()
    channels = JoinedChannels(
        ClientConfig.model_validate({"server": str(SERVER), "join": ("cam",)})
    )
    channels.join_all()
    end = tasks.spawn(channels.close(), name="end")
    await until(lambda: leaving.begun == ["cam"], 30, "it is being left")
    channels.join_all()
    with pytest.raises(ChannelUnavailableError, match="is ending"):
        await channels.open("cam", None)
    assert not channels.nodes
    leaving.go_on.set()
    await end
    await tasks.close()

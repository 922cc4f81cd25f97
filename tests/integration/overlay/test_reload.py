"""SIGHUP on the server proxy: what has not changed does not notice; a bad file changes nothing."""

import argparse
import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.node import Node
from common.ids import Address
from common.runtime import keys
from common.runtime.daemon import Stop
from common.runtime.tasks import Tasks
from serverproxy.app import ServerProxy
from serverproxy.config import ServerConfig, load
from serverproxy.net.served import ServedChannels
from tests.support.logs import held
from tests.support.overlay import InProcessNode, Watcher, until

SOURCE = 'source: "testcard:?size=160x90&rate=10"'
OTHER = 'source: "testcard:?size=176x144&rate=10"'
FLAGS = ("config", "channel", "listen", "http", "log_level", "log_format", "pcap")
PORTS = ("listen: 127.0.0.1:0", "http: 127.0.0.1:0")

Seconds = Callable[[float], float]


class Running:
    """A server proxy in this process, and the file that it follows."""

    def __init__(self, file: Path, channels: dict[str, str]) -> None:
        self.file = file
        self.stop = Stop()
        self.write(channels, *PORTS)
        flags: dict[str, object] = dict.fromkeys(FLAGS)
        flags["config"] = file
        self.server = ServerProxy(load(argparse.Namespace(**flags)))

    def write(self, channels: dict[str, str], *lines: str) -> None:
        text = [
            f"  {name}: {{{keys if 'source:' in keys else SOURCE + keys}}}\n"
            for name, keys in channels.items()
        ]
        self.file.write_text("".join(f"{line}\n" for line in lines) + "channels:\n" + "".join(text))

    def reload(self, channels: dict[str, str], *lines: str) -> None:
        self.write(channels, *(lines or PORTS))
        self.stop.reload()


@asynccontextmanager
async def running(file: Path, channels: dict[str, str]) -> AsyncIterator[Running]:
    one = Running(file, channels)
    task = asyncio.get_running_loop().create_task(one.server.run(one.stop))
    try:
        await until(lambda: bool(one.server.overlay) or task.done(), 30, "it listens")
        yield one
    finally:
        one.stop.set()
        await task


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "serverproxy.yaml"


class Told(Watcher):
    """Keeps the reason for which a player would have been ended."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.reasons: list[str] = []

    def ended(self, reason: str) -> None:
        self.reasons.append(reason)


class Watched:
    """A client proxy in this process that watches one channel."""

    def __init__(self, host: InProcessNode, node: Node) -> None:
        self.host, self.node, self.viewer = host, node, Told(node)
        self.seen = self.place

    @property
    def place(self) -> tuple[object, ...]:
        """What changes when a node has to come back, or loses anything."""
        assert self.node.stripes is not None
        offer = self.node.stripes.offer
        return offer.node, offer.instance, offer.group_key, self.node.feed.lost

    async def goes_on(self, seconds: Seconds) -> None:
        """Wait for a second's packets more; nothing else has changed."""
        before = self.node.feed.stats.delivered
        await until(lambda: self.node.feed.stats.delivered > before + 10, seconds(20), "goes on")
        assert self.place == self.seen
        assert self.node.feed.viewers == 1


@asynccontextmanager
async def watching(one: Running, channel: str, seconds: Seconds) -> AsyncIterator[Watched]:
    host = InProcessNode(Address.parse(one.server.overlay, 0))
    try:
        node = await host.join(channel)
        await until(lambda: node.joined, seconds(20), "joined")
        await until(lambda: node.feed.stats.delivered > 0, seconds(20), "a packet")
        yield Watched(host, node)
    finally:
        await host.close()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the reload has logged since the last call, with the channel of each line."""
    lines = [
        " ".join(filter(None, (getattr(record, "channel", ""), record.getMessage())))
        for record in caplog.records
        if record.getMessage().startswith("reloaded")
    ]
    caplog.clear()
    return lines


async def test_a_channel_that_has_not_changed_notices_nothing(
    file: Path, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    """Another one is added, changed in each way, and removed; this one plays on."""
    caplog.set_level(logging.INFO)
    async with running(file, {"a": ""}) as one, watching(one, "a", seconds) as a:
        links = list(one.server.channels["a"].control.membership.members)
        one.reload({"a": "", "b": ""})
        assert said(caplog) == ["b reloaded: this channel is new"]
        await a.goes_on(seconds)
        async with watching(one, "b", seconds) as b:
            logs = one.server.channels["b"].feed.logs
            await until(lambda: min(map(held, logs)) > 1.5, seconds(20), "enough is held")
            one.reload({"a": "", "b": ", log_time: 1, log_bytes: 65536"})
            assert said(caplog) == ["b reloaded: log_time, log_bytes: counts at once"]
            await b.goes_on(seconds)
            assert max(map(held, logs)) <= 1
            one.reload({"a": "", "b": ", source_timeout: 9, log_time: 1, log_bytes: 65536"})
            assert said(caplog) == [
                "b reloaded: source_timeout: the source of this channel is pulled anew; its"
                " viewers stay"
            ]
            await b.goes_on(seconds)
            one.reload({"a": ""})
            assert said(caplog) == ["b reloaded: this channel is closed"]
            assert list(one.server.channels) == ["a"]
            await until(lambda: bool(b.viewer.reasons), seconds(20), "who watched b is told")
            assert b.viewer.reasons == ["channel b was closed by the operator of the server proxy"]
            await a.goes_on(seconds)
        assert list(one.server.channels["a"].control.membership.members) == links
        one.reload({"a": ""})
        assert said(caplog) == ["reloaded: nothing has changed"]


async def test_a_channel_whose_trees_change_begins_anew_and_its_viewers_stay(
    file: Path, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a restart of the server proxy: the nodes come back by themselves."""
    caplog.set_level(logging.INFO)
    async with (
        running(file, {"a": "", "b": ""}) as one,
        watching(one, "a", seconds) as a,
        watching(one, "b", seconds) as b,
    ):
        before = b.node.feed.stats.delivered
        one.reload({"a": "", "b": ", stripes: 1, children_per_stripe: 3, log_time: 4"})
        assert said(caplog) == [
            "b reloaded: stripes, children_per_stripe, log_time: this channel begins anew, as"
            " after a restart of the server proxy"
        ]
        await until(lambda: b.place[1] != b.seen[1] and b.node.joined, seconds(30), "b is back")
        again = b.node.feed.stats.delivered
        assert again >= before
        await until(lambda: b.node.feed.stats.delivered > again + 10, seconds(30), "b goes on")
        assert b.node.feed.viewers == 1
        assert len(one.server.channels["b"].feed.logs) == 1
        await a.goes_on(seconds)


async def test_a_channel_that_was_closed_can_come_back(file: Path, seconds: Seconds) -> None:
    """A player that comes again finds it; so does a node that has joined it for good."""
    async with running(file, {"a": "", "b": ""}) as one, watching(one, "b", seconds) as b:
        one.reload({"a": ""})
        await until(lambda: b.node.feed.viewers == 0, seconds(20), "who watched b is told")
        with pytest.raises(ChannelUnavailableError, match=r"closed by the operator|there are: a"):
            await b.node.readiness.wait(seconds(5))
        one.reload({"a": "", "b": ""})
        await until(lambda: b.node.joined, seconds(30), "it is taken back")
        await b.node.readiness.wait(seconds(20))
        Watcher(b.node)
        before = b.node.feed.stats.delivered
        await until(lambda: b.node.feed.stats.delivered > before + 10, seconds(20), "b plays")


async def test_a_source_with_other_codecs_takes_the_place_of_the_one_before(
    file: Path, seconds: Seconds
) -> None:
    async with running(file, {"a": "", "b": ""}) as one, watching(one, "b", seconds) as b:
        sdp = b.node.feed.sdp
        one.reload({"a": "", "b": OTHER})
        await until(lambda: b.node.feed.sdp != sdp, seconds(20), "the other source is there")
        before = b.node.feed.stats.delivered
        await until(lambda: b.node.feed.stats.delivered > before + 10, seconds(20), "it flows")
        assert b.place == b.seen


async def test_a_bad_file_changes_nothing_and_all_its_faults_are_logged(
    file: Path, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(file, {"a": "", "b": ""}) as one, watching(one, "a", seconds) as a:
        one.reload({"a": ", stripes: 9", "c": ", sauce: x, log_time: 0"}, "colour: red")
        lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert [line.removeprefix(f"nothing reloaded: {file}: ")[:28] for line in lines] == [
            "colour (line 1): is not a ke",
            "channels.a.stripes (line 3):",
            "channels.c.log_time (line 4)",
            "channels.c.sauce (line 4): i",
        ]
        assert list(one.server.channels) == ["a", "b"]
        await a.goes_on(seconds)


async def test_what_needs_a_restart_is_named_each_time(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "configure", lambda *_: None)  # it would take caplog away
    caplog.set_level(logging.INFO)
    async with running(file, {"a": ""}) as one:
        ports = one.server.overlay, one.server.http
        for _ in range(2):
            one.reload({"a": ""}, "listen: 127.0.0.1:1", "http: 127.0.0.1:2", "log_level: debug")
        assert said(caplog) == [
            "reloaded: listen, http: needs a restart",
            "reloaded: log_level: counts at once",
            "reloaded: listen, http: needs a restart",
        ]
        assert (one.server.overlay, one.server.http) == ports
        one.reload({"a": ""}, *PORTS, "log_level: debug")
        assert said(caplog) == ["reloaded: nothing has changed"]


async def test_what_an_operator_closes_is_no_reload(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = ServerConfig.model_validate({"channels": {"a": {"source": "testcard:"}}})
    channels = ServedChannels(config, Tasks())
    channels.close_one("a")
    assert not channels.by_name
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "closed by an operator: a reload, or the next start, opens it again"
    assert said(caplog) == []

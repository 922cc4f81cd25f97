"""A channel whose source is replaced by another one."""

import asyncio
from dataclasses import dataclass, field

import pytest

from common.runtime.tasks import Tasks
from serverproxy.config import ChannelConfig, ServerConfig
from serverproxy.core.events import SourcePacket, SourceSink
from serverproxy.core.sourcestats import SourceStats
from serverproxy.net import channel as of_channel
from serverproxy.net.channel import Channel
from serverproxy.net.served import ServedChannels
from serverproxy.net.source import SourceSettings
from tests.support.overlay import until

STOP_AFTER = 0.05


@dataclass(eq=False)
class FakeSource:
    """Runs until cancelled, and takes a moment to hang up."""

    url: str
    sink: SourceSink
    events: list[str]
    stats: SourceStats = field(default_factory=SourceStats)

    async def run(self) -> None:
        self.events.append(f"{self.url} begins")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(STOP_AFTER)
            self.events.append(f"{self.url} has ended")


@dataclass
class Bench:
    channel: Channel
    tasks: Tasks
    sources: list[FakeSource]
    events: list[str]


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    sources: list[FakeSource] = []
    events: list[str] = []

    def create(settings: SourceSettings, sink: SourceSink, *, channel: str) -> FakeSource:
        assert channel == "cam"
        sources.append(FakeSource(settings.url, sink, events))
        return sources[-1]

    monkeypatch.setattr(of_channel, "create", create)
    tasks = Tasks()
    return Bench(Channel("cam", config("one"), tasks, instance_us=1), tasks, sources, events)


def config(host: str) -> ChannelConfig:
    return ChannelConfig(source=f"rtsp://{host}/")


async def test_the_source_before_hangs_up_before_the_next_is_pulled(bench: Bench) -> None:
    """Cameras that serve one client at a time would refuse the next one."""
    channel = bench.channel
    channel.open()
    await asyncio.sleep(0)
    channel.pull(channel.source_of(config("two")))
    channel.pull(channel.source_of(config("three")))
    await until(lambda: "rtsp://three/ begins" in bench.events, 20, "the third is pulled")
    assert bench.events == ["rtsp://one/ begins", "rtsp://one/ has ended", "rtsp://three/ begins"]
    await bench.tasks.close()


async def test_a_channel_that_begins_anew_lets_the_source_before_hang_up_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a reload: because its trees change, or because it had been closed."""
    channels = ServedChannels(ServerConfig(channels={"cam": config("one")}), bench.tasks)

    def reload(host: str, stripes: int) -> None:
        channel = ChannelConfig(source=f"rtsp://{host}/", stripes=stripes)
        config = ServerConfig(channels={"cam": channel})
        monkeypatch.setattr(ServerConfig, "reload", lambda _self: config)
        channels.reload()

    channels.open()
    await asyncio.sleep(0)
    reload("two", 1)
    await until(lambda: "rtsp://two/ begins" in bench.events, 20, "the second is pulled")
    channels.close_one("cam")
    await asyncio.sleep(STOP_AFTER / 5)
    reload("two", 1)
    await asyncio.sleep(0)
    channels.close_one("cam")
    reload("three", 2)
    await until(lambda: "rtsp://three/ begins" in bench.events, 20, "the third is pulled")
    assert bench.events == [
        f"rtsp://{host}/ {what}"
        for host, what in [
            ("one", "begins"),
            ("one", "has ended"),
            ("two", "begins"),
            ("two", "has ended"),
            ("three", "begins"),
        ]
    ]
    await bench.tasks.close()


async def test_what_the_source_before_still_delivers_counts_no_more(bench: Bench) -> None:
    channel, packet = bench.channel, SourcePacket(0, True, b"\x80\xc8" + bytes(26))
    channel.open()
    await asyncio.sleep(0)
    bench.sources[0].stats.lost_packets = {0: 3, 1: 2}
    downs: list[tuple[bool, str]] = []
    channel.feed.up, channel.feed.on_source = True, lambda *one: downs.append(one)
    channel.pull(channel.source_of(config("two")))
    assert downs == [(False, "the source was changed")]
    numbers = channel.feed.numbering.next
    bench.sources[0].sink.source_packets([packet])
    bench.sources[0].sink.source_down("late")
    assert channel.feed.numbering.next == numbers
    assert channel.source_lost == 5  # the count goes on
    bench.sources[1].stats.lost_packets = {0: 1}
    assert channel.source_lost == 6
    await bench.tasks.close()

"""What a channel of the real server proxy counts, as the metrics read it."""

from collections.abc import AsyncIterator

import pytest

from common.fields import Track
from common.ids import ROOT, Stripe
from common.runtime.tasks import Tasks
from serverproxy.core.events import SourceDescription, SourcePacket
from serverproxy.core.members import ControlLost
from serverproxy.net.channel import Channel
from tests.support.crowd import Crowd

VIDEO = Track(0, "video", "H264", 90_000, 96)
SDP = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    tasks = Tasks()
    yield Crowd("cam", 6, tasks=tasks)
    await tasks.close()


def rtp(number: int, *, key: bool = False) -> bytes:
    head = b"\x80\x60" + number.to_bytes(2) + number.to_bytes(4) + b"ssrc"
    return head + (b"\x65key" if key else b"\x41not")


def begin(channel: Channel) -> None:
    channel.feed.source_up(SourceDescription(SDP, (VIDEO,)))


async def test_the_source_is_counted_by_kind_and_held_in_the_logs(crowd: Crowd) -> None:
    channel = crowd.channel
    assert (channel.log_bytes, channel.log_seconds) == ([0, 0], [0.0, 0.0])
    begin(channel)
    packets = [SourcePacket(0, False, rtp(n, key=n == 1)) for n in range(4)]
    channel.feed.source_packets([*packets, SourcePacket(0, True, b"\x80\xc9\x00\x01ssrc")])
    assert channel.source_up
    assert channel.source_packets_by_kind["video"] == 4
    assert channel.source_packets_by_kind["rtcp"] == 1
    assert sum(channel.source_packets_by_kind.values()) == channel.source_packets
    assert channel.source_keyframes == 1
    assert channel.log_bytes == [own.size_bytes for own in channel.feed.logs]
    assert min(channel.log_bytes) > 0
    channel.source.stats.pulls, channel.source.stats.failures = 3, 2
    channel.source.stats.late, channel.source.stats.foreign = 5, 7
    assert (channel.source_pulls, channel.source_failures) == (3, 2)
    assert channel.source_faults == {
        "reordered": 0,
        "late": 5,
        "duplicate": 0,
        "bad": 0,
        "foreign": 7,
    }


async def test_the_trees_are_counted(crowd: Crowd) -> None:
    channel, trees = crowd.channel, crowd.membership.trees
    assert (channel.nodes, channel.nodes_away) == (6, 0)
    assert channel.orphans == [0, 0]
    child = trees.children(ROOT, Stripe(1))[0]
    crowd.membership.detached(child, Stripe(1))
    assert channel.orphans == [0, 1]
    channel.control.handle(ControlLost(child))
    assert channel.nodes_away == 1
    assert channel.happened["away"] == 1
    assert channel.happened["joined"] == 6


async def test_what_nodes_report_is_summed_and_the_farthest_behind_is_known(crowd: Crowd) -> None:
    channel = crowd.channel
    assert (channel.players, channel.lost_by_nodes, channel.most_delay) == (0, 0, 0.0)
    crowd.report(lambda number: (0.25 * number, 2, number))
    assert channel.players == 12
    assert channel.lost_by_nodes == 15
    assert channel.most_delay == 1.25
    crowd.die(crowd.nodes[0])
    assert channel.parents_lost["closed"] >= 1
    assert channel.happened["repaired"] >= 1


async def test_a_channel_without_nodes_shows_nothing_odd() -> None:
    tasks = Tasks()
    channel = Crowd("cam", 0, tasks=tasks).channel
    assert (channel.most_delay, channel.players, channel.children) == (0.0, 0, [0, 0])
    assert channel.refused == {}
    await tasks.close()

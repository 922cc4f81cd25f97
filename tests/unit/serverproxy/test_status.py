"""What the API says of the trees is what the trees are."""

from collections.abc import AsyncIterator, Mapping

import pytest

from common.fields import Track
from common.ids import ROOT, NodeId, Stripe
from common.runtime.problem import ProblemError
from common.runtime.tasks import Tasks
from serverproxy.core.events import SourceDescription
from serverproxy.net.status import detail, find, snapshot
from tests.support.crowd import Crowd


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    tasks = Tasks()
    yield Crowd("cam", 30, tasks=tasks)
    await tasks.close()


async def test_depths_parents_and_children_are_those_of_the_trees(crowd: Crowd) -> None:
    crowd.report(lambda number: (0.001 * number, number % 2, number))
    crowd.die(crowd.nodes[4])
    trees, shown = crowd.membership.trees, detail(crowd.channel)
    nodes, drawn = shown["nodes"], shown["trees"]
    assert isinstance(nodes, Mapping)
    assert isinstance(drawn, list)
    assert list(nodes) == crowd.nodes
    for stripe, tree in enumerate(map(dict, drawn)):
        assert tree["depth"] == trees.tree_depth(Stripe(stripe))
        assert tree["children"] == list(trees.children(ROOT, Stripe(stripe)))
        for node in crowd.nodes:
            assert tree["parents"][node] == trees.parent(node, Stripe(stripe))
            assert tree["standbys"][node] == trees.standby_held(node, Stripe(stripe))
            assert nodes[node]["depth"][stripe] == trees.depth(node, Stripe(stripe))
            children = trees.children(node, Stripe(stripe))
            assert nodes[node]["children"][stripe] == len(children)


async def test_totals_are_the_sums_over_the_nodes(crowd: Crowd) -> None:
    crowd.report(lambda number: (0.001, number % 2, number))
    shown = detail(crowd.channel)
    assert shown["players"] == 15
    assert shown["lost"] == sum(range(30))


async def test_since_when_the_source_is_up_or_down_and_what_it_carries(crowd: Crowd) -> None:
    feed = crowd.channel.feed
    feed.changed_us = feed.now_us() - 90_000_000
    shown = detail(crowd.channel)
    assert isinstance(shown["source_seconds"], float)
    assert 90 <= shown["source_seconds"] < 100
    assert (shown["codecs"], shown["depth_bound"]) == ([], 6)
    track = Track(0, "video", "H264", 90_000, 96)
    feed.source_up(SourceDescription("v=0\r\n", (track,)))
    assert detail(crowd.channel)["codecs"] == ["H264"]


async def test_a_snapshot_is_of_the_first_channel_unless_one_is_named(crowd: Crowd) -> None:
    channels = {"lobby": crowd.channel, "cam": crowd.channel}
    assert snapshot({}, "")["channel"] is None
    shown = snapshot(channels, "")["channel"]
    assert isinstance(shown, Mapping)
    assert shown["name"] == "cam"
    with pytest.raises(ProblemError, match="no channel 'roof'; the channels are: cam, lobby"):
        find(channels, "roof")
    with pytest.raises(ProblemError, match="the channels are: none"):
        find({}, "cam")


async def test_a_snapshot_of_what_is_not_there_names_the_channels_that_are(crowd: Crowd) -> None:
    """The page says so, and shows the channel once it is back."""
    shown = snapshot({"cam": crowd.channel}, "roof")
    assert shown["channel"] is None
    assert [dict(one)["name"] for one in _list(shown["channels"])] == ["cam"]


def _list(found: object) -> list[Mapping[str, object]]:
    assert isinstance(found, list)
    return found


async def test_a_detached_node_has_no_depth(crowd: Crowd) -> None:
    crowd.membership.trees.detach(NodeId("n9-test"), Stripe(0))
    nodes = detail(crowd.channel)["nodes"]
    assert isinstance(nodes, Mapping)
    assert nodes["n9-test"]["depth"][0] is None

"""What `serverproxy status` makes of the API's documents."""

from collections.abc import AsyncIterator
from dataclasses import replace

import msgspec
import pytest

from common.runtime.http import JsonObject
from common.runtime.tasks import Tasks
from serverproxy.commands.statusview import (
    Channel,
    Look,
    Node,
    Status,
    Summary,
    Tree,
    lines,
)
from serverproxy.net import status as api
from tests.support.crowd import Crowd

CAM = Summary(
    name="cam",
    source_up=True,
    source_error=None,
    source_seconds=7510,
    codecs=["H264", "MPEG4-GENERIC"],
    source_bytes=1_000_000,
    sent_bytes=[500_000, 500_000],
    nodes=12,
    players=10,
    lost=0,
    depths=[4, 5],
    depth_bound=5,
)
NODE = Node(
    addresses=["192.0.2.1:7855"],
    slots=3,
    delay=0.0124,
    players=1,
    lost=0,
    away=False,
    drained=False,
    children=[2, 0],
)


def look(*channels: Summary, at: float = 0.0) -> Look:
    return Look(at, Status("0.0.0.0:7854", "127.0.0.1:9854", list(channels)))


def crowd_of(count: int) -> Look:
    nodes = {f"n{n}-k3xz": NODE for n in range(1, count + 1)}
    trees = [Tree(dict.fromkeys(nodes, "root")), Tree(dict.fromkeys(nodes))]
    return replace(look(CAM), channels={"cam": Channel("cam", trees, nodes)})


def texts(
    now: Look, before: Look | None = None, width: int = 80, height: int | None = None
) -> list[str]:
    return [one.text for one in lines(now, before, width, height)]


def test_a_channel_with_its_source_rate_trees_and_egress_against_a_star() -> None:
    later = msgspec.structs.replace(CAM, source_bytes=1_525_000, sent_bytes=[762_500, 763_000])
    assert texts(look(later, at=2.0), look(CAM)) == [
        "serverproxy · overlay 0.0.0.0:7854 · page http://127.0.0.1:9854/",
        "",
        "CHANNEL  SOURCE  CODECS          RATE  NODES  PLAYERS   HEIGHT   COPIES  LOST",
        "cam      up 2 h  H264+AAC  2.1 Mbit/s     12       10  4/5 5/5  1.00/12     0",
    ]


@pytest.mark.parametrize(
    ("listens", "opened"),
    [
        (":9854", "127.0.0.1:9854"),
        ("0.0.0.0:9854", "127.0.0.1:9854"),
        ("[::]:9854", "[::1]:9854"),
        ("192.0.2.2:9854", "192.0.2.2:9854"),
    ],
)
def test_the_page_can_be_opened_as_it_stands(listens: str, opened: str) -> None:
    now = replace(look(CAM), status=Status(":7854", listens, [CAM]))
    assert texts(now)[0] == f"serverproxy · overlay :7854 · page http://{opened}/"


def test_a_source_that_is_down_says_why() -> None:
    error = "camera:554 refuses connections: is the source running, is the port right?"
    down = msgspec.structs.replace(CAM, source_up=False, source_error=error, source_seconds=35)
    found = lines(look(down), None, 60, None)
    assert found[-3].text.startswith("cam      down 35 s ")
    assert found[-3].tone == "bad"
    assert [one.text for one in found[-2:]] == [
        "  camera:554 refuses connections: is the source running, is",
        "    the port right?",
    ]


def test_a_node_with_its_parents_children_and_delay() -> None:
    away = msgspec.structs.replace(NODE, away=True, addresses=[], lost=7, drained=True)
    now = crowd_of(1)
    now.channels["cam"].nodes["n2-k3xz"] = away
    now.channels["cam"].trees[1].parents["n1-k3xz"] = "n2-k3xz"
    found = lines(now, None, 90, None)
    assert [one.text for one in found[-4:]] == [
        "cam: 2 nodes, and who feeds each",
        "NODE  ADDRESS         STRIPE 0  STRIPE 1  DELAY     CHILDREN  PLAYERS  LOST",
        "n1    192.0.2.1:7855  server    n2        12 ms          2/3        1     0",
        "n2    not reachable   none      none       away  2/3 drained        1     7",
    ]
    assert [one.tone for one in found[-3:]] == ["head", "", "bad"]


def test_more_nodes_than_lines_are_counted() -> None:
    found = texts(crowd_of(40), height=24)
    assert len(found) == 24
    assert found[-1] == "... and 24 more; --json has them all"
    assert len(texts(crowd_of(40))) == 4 + 1 + 2 + 40


def test_of_many_channels_the_first_have_their_nodes_and_the_others_are_counted() -> None:
    """Titles without a node below them would say nothing."""
    names = [f"c{n}" for n in range(20)]
    now = look(*(msgspec.structs.replace(CAM, name=name) for name in names))
    channels = {
        name: msgspec.structs.replace(crowd_of(5).channels["cam"], name=name) for name in names[:8]
    }
    found = texts(replace(now, channels=channels), height=30)
    assert len(found) <= 30
    assert [one for one in found if "who feeds each" in one] == ["c0: 5 nodes, and who feeds each"]
    assert [one.split()[0] for one in found[-6:-1]] == ["n1", "n2", "n3", "n4", "n5"]
    assert found[-1] == "... and the nodes of 19 more channels; --json has them all"


@pytest.mark.parametrize("height", [3, 5, 8, 12, 24, 60])
def test_it_fits_any_terminal(height: int) -> None:
    names = [f"channel-with-a-long-name-{n}" for n in range(20)]
    now = look(*(msgspec.structs.replace(CAM, name=name) for name in names))
    channels = {name: crowd_of(30).channels["cam"] for name in names}
    for width in (30, 60, 80, 200):
        found = texts(replace(now, channels=channels), width=width, height=height)
        assert len(found) <= height
        assert max(map(len, found)) <= width


def test_no_channel_at_all() -> None:
    assert texts(look())[-1].startswith("No channel is served")


def test_counters_that_begin_anew_are_no_rate() -> None:
    fresh = msgspec.structs.replace(CAM, source_bytes=10, sent_bytes=[5, 5])
    row = texts(look(fresh, at=1.0), look(CAM))[-1]
    assert row.split()[-7:] == ["-", "12", "10", "4/5", "5/5", "-", "0"]


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    tasks = Tasks()
    yield Crowd("cam", 5, tasks=tasks)
    await tasks.close()


async def test_the_api_has_all_that_is_shown(crowd: Crowd) -> None:
    def sent(document: JsonObject) -> bytes:
        return msgspec.json.encode(document)

    channels = {"cam": crowd.channel}
    status = msgspec.json.decode(sent(api.status(channels, "a:1", "b:2")), type=Status)
    channel = msgspec.json.decode(sent(api.detail(crowd.channel)), type=Channel)
    found = texts(Look(0.0, status, {"cam": channel}))
    assert "cam: 5 nodes, and who feeds each" in found
    assert [one.split()[0] for one in found[-5:]] == ["n1", "n2", "n3", "n4", "n5"]

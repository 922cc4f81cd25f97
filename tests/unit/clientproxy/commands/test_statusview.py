"""What `clientproxy status` makes of the API's document."""

import msgspec
import pytest

from clientproxy.commands.statusview import Channel, Session, Status, Verdict, lines

CAM = Channel(
    channel="cam",
    server="studio:7854",
    delay=0.042,
    delivered=1000,
    lost=0,
    late=2,
    players=1,
    waiting=3,
    verdict=Verdict("nobody", "All is well: every stripe comes in time."),
    node="n7-k3xz",
    addresses=["192.0.2.7:7855"],
    slots=3,
    parents=["root", "n4-k3xz"],
    parent_addresses=["192.0.2.1:7854", "192.0.2.4:7855"],
    standbys=["n2-k3xz", None],
    rtt=[0.012, 0.001],
    behind=[0.0, 0.4],
    children=[["n8-k3xz", "n9-k3xz"], []],
)
PLAYER = Session("cam", None, "127.0.0.1:50004", "udp", plays=True, skipped=0)
STATUS = Status("studio:7854", "0.0.0.0:7855", "127.0.0.1:8554", [CAM], [PLAYER])


def texts(status: Status, width: int = 120, height: int | None = None) -> list[str]:
    return [one.text for one in lines(status, width, height)]


def test_parents_standby_children_players_and_the_verdict() -> None:
    assert texts(STATUS) == [
        "clientproxy · players open rtsp://127.0.0.1:8554/CHANNEL · overlay 0.0.0.0:7855"
        " · server proxy studio:7854",
        "",
        "cam: All is well: every stripe comes in time.",
        "STRIPE  PARENT                 ROUND TRIP  LATE BY  STANDBY  CHILDREN",
        "     0  server 192.0.2.1:7854       12 ms     0 ms  n2       n8 n9",
        "     1  n4 192.0.2.4:7855          1.0 ms   400 ms  -        -",
        "I am n7 at 192.0.2.7:7855 · delay 42 ms · 0 packets lost · 2 too late"
        " · 3 being put in order · 2 of 3 slots used",
        "  1 player",
        "PLAYER           TRANSPORT  STATE  SKIPPED",
        "127.0.0.1:50004  UDP        plays        0",
    ]


def test_a_channel_that_is_not_joined_yet_says_why() -> None:
    refused = Verdict("server", "server proxy studio:7854 refuses connections")
    waiting = msgspec.structs.replace(CAM, node=None, parents=[], verdict=refused)
    found = lines(msgspec.structs.replace(STATUS, channels=[waiting]), 80, None)
    assert found[-1].text == "cam: server proxy studio:7854 refuses connections"
    assert found[-1].tone == "bad"


def test_players_stand_below_the_channel_that_they_watch() -> None:
    roof = msgspec.structs.replace(CAM, channel="roof", server="attic:7854")
    there = msgspec.structs.replace(PLAYER, channel="roof", server="attic", transport="http")
    status = msgspec.structs.replace(STATUS, channels=[CAM, roof], sessions=[there])
    found = texts(status)
    assert [n for n, text in enumerate(found) if text.startswith("PLAYER")] == [len(found) - 2]
    assert "HTTP tunnel" in found[-1]


def test_one_name_at_two_server_proxies_is_told_apart() -> None:
    other = msgspec.structs.replace(CAM, server="attic:7854")
    found = texts(msgspec.structs.replace(STATUS, channels=[CAM, other]))
    heads = [text.partition(": ")[0] for text in found if text.endswith("in time.")]
    assert heads == ["cam", "attic:7854/cam"]


def test_no_channel_and_no_server() -> None:
    status = msgspec.structs.replace(STATUS, server=None, channels=[], sessions=[])
    found = texts(status)
    assert "server proxy named by each player" in found[0]
    assert found[-1].startswith("No channel is joined")


@pytest.mark.parametrize(
    ("listens", "opened"),
    [
        (":8554", "127.0.0.1:8554"),
        ("0.0.0.0:8554", "127.0.0.1:8554"),
        ("[::]:8554", "[::1]:8554"),
        ("192.0.2.2:8554", "192.0.2.2:8554"),
        ("[2001:db8::2]:8554", "[2001:db8::2]:8554"),
        ("what is this", "what is this"),
    ],
)
def test_the_url_for_players_can_be_opened_as_it_stands(listens: str, opened: str) -> None:
    found = texts(msgspec.structs.replace(STATUS, rtsp=listens))
    assert f" · players open rtsp://{opened}/CHANNEL · " in found[0]


@pytest.mark.parametrize("height", [3, 8, 24])
@pytest.mark.parametrize("width", [30, 80, 200])
def test_it_fits_any_terminal(width: int, height: int) -> None:
    crowd = [msgspec.structs.replace(PLAYER, peer=f"192.0.2.{n}:5000") for n in range(40)]
    status = msgspec.structs.replace(STATUS, channels=[CAM, CAM], sessions=crowd)
    found = texts(status, width, height)
    assert len(found) <= height
    assert max(map(len, found)) <= width

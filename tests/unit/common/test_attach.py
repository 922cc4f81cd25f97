"""Bounds of what a child and a parent may say to each other before frames flow."""

import json

import pytest

from common.attach import Attach, ProbeReply
from common.codec import decode_first, decode_from_parent, encode_message
from common.errors import BadMessageError
from common.ids import Address

ATTACH = Attach(
    version=1,
    channel="cam",
    stripe=0,
    node="n1",
    group_key="k",
    serve=0,
    slots=2,
    addresses=("192.0.2.1:7855",),
    start=0,
    orphan=False,
)


def attach(**fields: object) -> bytes:
    said = json.loads(encode_message(ATTACH)[6:])
    return json.dumps({**said, **fields}).encode()


@pytest.mark.parametrize(
    "address",
    [
        "camera",
        "camera:1",
        "camera.example.org.:65535",
        "192.0.2.1:0",
        "[2001:db8::1]:7855",
        "[fe80::1%eth0]:1",
        "::1",
        "::ffff:192.0.2.1",
        "h" * 63,
    ],
)
def test_addresses_that_can_be_dialled_are_taken(address: str) -> None:
    decoded = decode_first(attach(addresses=[address]))
    assert isinstance(decoded, Attach)
    assert decoded.addresses == (address,)
    host, port = Address.parse(address, 0)
    assert host.encode("idna")
    assert 0 <= port <= 65_535


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        ":1",
        "h:65536",
        "h:99999",
        "h:123456",
        "h:x",
        "h:-1",
        "[::1",
        "[::1]x",
        "[]:1",
        "h\n",
        "h:1\n",
        "h\0",
        "a..b",
        ".a",
        "h" * 64,
        "h h",
        "h\u00e9",
        'h"',
        "\u0661.1.1.1",
        "h:\u0661",
        "a." * 150,
    ],
)
def test_addresses_that_would_break_the_dialling_are_refused(address: str) -> None:
    """`Address.parse` or the resolver's IDNA codec would raise ValueError."""
    with pytest.raises(BadMessageError):
        decode_first(attach(addresses=[address]))


@pytest.mark.parametrize("node", ["", "n 1", "n\n", "n\0", 'n"', "n\u00e9", "n" * 65, None, 1])
def test_names_of_nodes_need_no_escapes(node: object) -> None:
    with pytest.raises(BadMessageError):
        decode_first(attach(node=node))


@pytest.mark.parametrize(
    "fields",
    [
        {"stripe": 16},
        {"stripe": -1},
        {"serve": 16},
        {"slots": 1001},
        {"start": 2**63},
        {"start": -1},
        {"addresses": ["h"] * 9},
        {"addresses": "h"},
        {"visited": ["n"] * 1001},
        {"visited": [None]},
        {"channel": ""},
        {"channel": "c" * 65},
        {"orphan": 1},
        {"orphan": None},
        {"version": 1.0},
    ],
    ids=str,
)
def test_values_out_of_bounds_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(BadMessageError):
        decode_first(attach(**fields))


def test_the_greatest_values_are_taken() -> None:
    text = attach(stripe=15, serve=None, slots=1000, start=2**63 - 1, visited=["n"] * 1000)
    assert isinstance(decode_first(text), Attach)


@pytest.mark.parametrize("capture_us", [0, 2**62])
def test_a_delay_from_any_capture_time_can_be_reported(capture_us: int) -> None:
    delay = (1_800_000_000_000_000 - capture_us) / 1e6
    reply = ProbeReply(stripes=(), newest=0, delay=delay, free_slots=0)
    assert decode_from_parent(encode_message(reply)[6:]) == reply

"""Bounds of what a peer may say."""

import json

import pytest

from common.codec import (
    MAX_JSON_BYTES,
    decode_first,
    decode_from_node,
    decode_from_parent,
    decode_from_server,
    encode_message,
)
from common.errors import BadMessageError
from common.fields import MAX_CANDIDATES, Candidate, SenderReport, StripeReport, TrackReport
from common.ids import Address
from common.messages import Attach, Clock, Hello, Offer, ParentLost, ProbeReply, Redirect, Report

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


def test_eleven_candidates_are_one_too_many() -> None:
    ten = tuple(Candidate(f"n{at}", (), 0.0, available=True) for at in range(MAX_CANDIDATES))
    redirect = Redirect(stripe=0, parent="root", targets=ten)
    assert decode_from_server(encode_message(redirect)[6:]) == redirect
    with pytest.raises(BadMessageError):
        decode_from_parent(
            encode_message(Redirect(stripe=0, parent="root", targets=(*ten, ten[0])))[6:]
        )


@pytest.mark.parametrize("reason", ["closed", "silent", "slow", "refused"])
def test_reasons_for_the_loss_of_a_parent_are_a_closed_set(reason: str) -> None:
    text = {"MessageType": "ParentLost", "stripe": 0, "parent": None, "newest": 0, "tried": []}
    lost = decode_from_node(json.dumps({**text, "reason": reason}).encode())
    assert isinstance(lost, ParentLost)
    assert lost.reason == reason
    with pytest.raises(BadMessageError):
        decode_from_node(json.dumps({**text, "reason": f"{reason}!"}).encode())


def test_an_ntp_timestamp_has_64_bits() -> None:
    offer = Offer(
        node="n1",
        serve=None,
        stripes=2,
        slots=0,
        group_key="k",
        instance=1,
        stream=None,
        source_up=False,
        sender_reports=(TrackReport(0, SenderReport(1, 2**64 - 1, 2)),),
        start=1,
        parents=(),
        addresses=(),
        clock=Clock(sent_us=0, received_us=0, replied_us=0),
    )
    text = encode_message(offer)[6:]
    assert decode_from_server(text) == offer
    with pytest.raises(BadMessageError, match="64 bits"):
        decode_from_server(text.replace(str(2**64 - 1).encode(), str(2**64).encode()))


def test_a_report_about_a_thousand_children_with_the_longest_names_fits() -> None:
    """A node's children choose no names that make its own Report too long to be sent."""
    names = tuple(f"n{at:0>63}" for at in range(1000))
    one = StripeReport(0, "n" * 64, -1e13, 2**63 - 1, 2**63 - 1, 2**63 - 1, names, "n" * 64, -1e13)
    rest = tuple(
        StripeReport(at, "n" * 64, -1e13, 2**63 - 1, 2**63 - 1, 2**63 - 1, (), "n" * 64, -1e13)
        for at in range(1, 16)
    )
    report = Report(sent_us=0, delay=0.0, stripes=(one, *rest), players=0, delivered=0, lost=0)
    assert len(encode_message(report)) <= MAX_JSON_BYTES
    assert decode_from_node(encode_message(report)[6:]) == report


def test_a_redirect_to_ten_children_with_the_longest_addresses_fits() -> None:
    address = "h" * 60 + ".h" * 20 + ".example:65535"
    ten = tuple(Candidate("n" * 64, (address,) * 8, -1e13, available=True) for _ in range(10))
    redirect = Redirect(stripe=0, parent="root", targets=ten)
    assert decode_from_parent(encode_message(redirect)[6:]) == redirect


@pytest.mark.parametrize("capture_us", [0, 2**62])
def test_a_delay_from_any_capture_time_can_be_reported(capture_us: int) -> None:
    delay = (1_800_000_000_000_000 - capture_us) / 1e6
    reply = ProbeReply(stripes=(), newest=0, delay=delay, free_slots=0)
    assert decode_from_parent(encode_message(reply)[6:]) == reply


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Hello(version=1, nonce="n").nonce = "m"  # type: ignore[misc]

"""Bounds of what a peer may say."""

import json

import pytest

from common.codec import (
    MAX_JSON_BYTES,
    decode_from_node,
    decode_from_parent,
    decode_from_server,
    encode_message,
)
from common.errors import BadMessageError
from common.fields import MAX_CANDIDATES, Candidate, SenderReport, StripeReport, TrackReport
from common.messages import Clock, Hello, Offer, ParentLost, Redirect, Report


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


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Hello(version=1, nonce="n").nonce = "m"  # type: ignore[misc]

"""Transport, Session and RTP-Info, as players write and read them."""

import pytest

from common.errors import RtspError
from common.rtsp.headers import (
    Lower,
    Offer,
    StreamInfo,
    parse_transport,
    rtp_info,
    session_id,
)


@pytest.mark.parametrize(
    ("value", "offer"),
    [
        (
            "RTP/AVP/UDP;unicast;client_port=21558-21559",
            Offer(Lower.UDP, (21558, 21559), "RTP/AVP/UDP"),
        ),
        ("RTP/AVP;unicast;client_port=6970-6971", Offer(Lower.UDP, (6970, 6971), "RTP/AVP")),
        ("RTP/AVP;unicast;client_port=5000", Offer(Lower.UDP, (5000, 5001), "RTP/AVP")),
        ("RTP/AVP/TCP;unicast;interleaved=2-3", Offer(Lower.TCP, (2, 3), "RTP/AVP/TCP")),
        ("RTP/AVP/TCP;unicast", Offer(Lower.TCP, None, "RTP/AVP/TCP")),
        ("rtp/avp/tcp; unicast; Interleaved = 0-1", Offer(Lower.TCP, (0, 1), "rtp/avp/tcp")),
        ('RTP/AVP;client_port=10-11;mode="PLAY"', Offer(Lower.UDP, (10, 11), "RTP/AVP")),
    ],
)
def test_what_players_send_is_understood(value: str, offer: Offer) -> None:
    assert parse_transport(value) == [offer]


@pytest.mark.parametrize(
    "value",
    [
        "RTP/AVP;multicast",
        "RTP/AVP;multicast;client_port=1-2",
        "RTP/SAVP;unicast;client_port=1-2",
        "RAW/RAW/UDP;unicast;client_port=1-2",
        "RTP/AVP;unicast",
        "RTP/AVP;unicast;client_port=0-1",
        "RTP/AVP;unicast;client_port=7-7",
        "RTP/AVP;unicast;client_port=65535",
        "RTP/AVP;unicast;client_port=70000-70001",
        "RTP/AVP;unicast;client_port=a-b",
        "RTP/AVP;unicast;client_port=\u0661-\u0662",
        "RTP/AVP/TCP;interleaved=255-256",
        "RTP/AVP/TCP;interleaved=-",
        "RTP/AVP;unicast;client_port=1-2;mode=RECORD",
    ],
)
def test_what_cannot_be_served_is_no_offer(value: str) -> None:
    assert parse_transport(value) == []


def test_alternatives_are_kept_in_the_order_of_the_player() -> None:
    value = "RTP/AVP;multicast, RTP/AVP/TCP;interleaved=0-1,,RTP/AVP;client_port=8-9"
    assert [offer.lower for offer in parse_transport(value)] == [Lower.TCP, Lower.UDP]


@pytest.mark.parametrize("value", ["", " , "])
def test_a_header_without_a_transport_is_a_bad_request(value: str) -> None:
    with pytest.raises(RtspError) as caught:
        parse_transport(value)
    assert caught.value.status == 400


def test_the_id_of_a_session_stands_before_its_parameters() -> None:
    assert session_id(" abc ;timeout=60") == "abc"


def test_rtp_info_lists_the_streams() -> None:
    streams = [StreamInfo("rtsp://h/c/trackID=0", 7, 90), StreamInfo("rtsp://h/c/trackID=1", 0, 1)]
    assert rtp_info(streams) == (
        "url=rtsp://h/c/trackID=0;seq=7;rtptime=90,url=rtsp://h/c/trackID=1;seq=0;rtptime=1"
    )

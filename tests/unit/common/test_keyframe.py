"""Where a decoder can start."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import rtp
from common.keyframe import KeyframeDetector
from tests.support.rtp_packets import rtp_packet

SPS, PPS, SEI, AUD, IDR, SLICE = (bytes([0x60 | kind, 0]) for kind in (7, 8, 6, 9, 5, 1))
H265_VPS, H265_SPS, H265_PPS, H265_IDR, H265_CRA, H265_TRAIL = (
    bytes([kind << 1, 1, 0]) for kind in (32, 33, 34, 19, 21, 1)
)


def fragment(kind: int, *, start: bool = False) -> bytes:
    return bytes([0x7C, (0x80 if start else 0) | kind, 0])


def fragment265(kind: int, *, start: bool = False) -> bytes:
    return bytes([49 << 1, 1, (0x80 if start else 0) | kind, 0])


def aggregate(*units: bytes) -> bytes:
    return b"\x78" + b"".join(len(unit).to_bytes(2) + unit for unit in units)


def aggregate265(*units: bytes) -> bytes:
    return bytes([48 << 1, 1]) + b"".join(len(unit).to_bytes(2) + unit for unit in units)


def flags(codec: str, *units: list[bytes]) -> list[list[bool]]:
    """Feed access units, each a list of payloads with a timestamp of its own."""
    detector = KeyframeDetector(codec)
    numbers = itertools.count()
    return [
        [
            detector.push(rtp_packet(rtp.Header(False, 96, next(numbers), 3600 * n, 1), payload))
            for payload in unit
        ]
        for n, unit in enumerate(units)
    ]


@pytest.mark.parametrize(
    ("codec", "payload", "starts"),
    [
        ("H264", IDR, True),
        ("H264", SPS, True),
        ("H264", PPS, False),
        ("H264", SLICE, False),
        ("H264", fragment(5, start=True), True),
        ("H264", fragment(5), False),
        ("H264", fragment(1, start=True), False),
        ("H264", aggregate(SEI, PPS, IDR), True),
        ("H264", aggregate(SEI, SLICE), False),
        ("H264", b"\x79\0\0" + aggregate(SPS, IDR)[1:], True),  # STAP-B
        ("H264", b"\x7a\0\0" + b"\0\2" + bytes(3) + IDR, True),  # MTAP16
        ("H264", b"", False),
        ("H264", b"\x78\xff\xff", False),
        ("H265", H265_IDR, True),
        ("H265", H265_CRA, True),
        ("H265", H265_VPS, True),
        ("H265", H265_SPS, True),
        ("H265", H265_PPS, False),
        ("H265", H265_TRAIL, False),
        ("H265", fragment265(20, start=True), True),
        ("H265", fragment265(20), False),
        ("H265", fragment265(1, start=True), False),
        ("H265", aggregate265(H265_VPS, H265_SPS, H265_PPS), True),
        ("H265", aggregate265(H265_TRAIL, H265_TRAIL), False),
        ("OPUS", b"sound", True),
    ],
)
def test_a_start_is_known_by_its_payload(codec: str, payload: bytes, starts: bool) -> None:
    assert flags(codec, [payload]) == [[starts]]


def test_the_first_packet_of_a_fragmented_keyframe_is_flagged_once() -> None:
    got = flags(
        "H264",
        [fragment(5, start=True), fragment(5), fragment(5)],
        [fragment(1, start=True), fragment(1)],
        [fragment(5, start=True), fragment(5)],
    )
    assert got == [[True, False, False], [False, False], [True, False]]


def test_parameter_sets_begin_the_keyframe_that_they_go_before() -> None:
    got = flags("H264", [AUD, SEI, SPS, PPS, IDR, IDR], [AUD, SLICE], [SPS, PPS, IDR])
    assert got == [
        [False, False, True, False, False, False],
        [False, False],
        [True, False, False],
    ]


def test_parameter_sets_with_a_timestamp_of_their_own_stay_the_start() -> None:
    """A start at the IDR alone would lack them."""
    got = flags("H264", [SPS, PPS], [IDR], [SLICE], [SPS], [PPS], [IDR])
    assert got == [[True, False], [False], [False], [True], [False], [False]]


def test_every_keyframe_of_a_stream_of_keyframes_is_flagged() -> None:
    assert flags("H264", [IDR], [IDR], [IDR]) == [[True], [True], [True]]


def test_h265_keyframes_are_flagged_like_those_of_h264() -> None:
    got = flags(
        "H265",
        [H265_VPS, H265_SPS, H265_PPS, fragment265(19, start=True), fragment265(19)],
        [H265_TRAIL],
        [H265_CRA],
    )
    assert got == [[True, False, False, False, False], [False], [True]]


def test_other_codecs_start_with_every_timestamp() -> None:
    assert flags("JPEG", [b"a", b"b"], [b"c"]) == [[True, False], [True]]


@given(st.sampled_from(["H264", "H265", "JPEG"]), st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_are_looked_at_without_a_fault(codec: str, packets: list[bytes]) -> None:
    detector = KeyframeDetector(codec)
    for packet in packets:
        detector.push(packet)
        detector.push(b"\x80\x60" + bytes(10) + packet)

"""What we read by hand, held against libraries that read the same: dpkt and sdp-transform."""

import sdp_transform
from dpkt.rtp import RTP
from hypothesis import given
from hypothesis import strategies as st

from common import rtp
from serverproxy.core import media

RATES = {"H264": 90_000, "H265": 90_000, "MPEG4-GENERIC": 48_000, "OPUS": 48_000, "PCMU": 8_000}


@given(
    marker=st.integers(0, 1),
    payload_type=st.integers(0, 63) | st.integers(96, 127),
    seq=st.integers(0, 2**16 - 1),
    timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=200),
)
def test_dpkt_reads_the_same_from_an_rtp_packet(
    *, marker: int, payload_type: int, seq: int, timestamp: int, ssrc: int, payload: bytes
) -> None:
    fields = {"m": marker, "pt": payload_type, "seq": seq, "ts": timestamp, "ssrc": ssrc}
    packet = bytes(RTP(data=payload, **fields))
    header = rtp.parse(packet)
    assert header == (bool(marker), payload_type, seq, timestamp, ssrc)
    assert rtp.payload(packet) == payload


@given(seq=st.integers(0, 2**16 - 1), timestamp=st.integers(0, 2**32 - 1), ssrc=st.integers(0, 9))
def test_dpkt_reads_what_we_rewrote(seq: int, timestamp: int, ssrc: int) -> None:
    packet = bytes(RTP(m=1, pt=96, seq=1, ts=2, ssrc=3, data=b"payload"))
    again = RTP(rtp.rewrite(packet, sequence=seq, timestamp=timestamp, ssrc=ssrc))
    assert (again.m, again.pt, again.data) == (1, 96, b"payload")
    assert (again.seq, again.ts, again.ssrc) == (seq, timestamp, ssrc)


@given(st.lists(st.tuples(st.sampled_from(sorted(RATES)), st.integers(96, 127)), max_size=8))
def test_sdp_transform_writes_what_we_read(described: list[tuple[str, int]]) -> None:
    """Each medium keeps its place, codec, clock rate, payload type and control."""
    session: dict[str, object] = {
        "version": 0,
        "name": "x",
        "media": [
            {
                "type": "video" if codec.startswith("H26") else "audio",
                "port": 0,
                "protocol": "RTP/AVP",
                "payloads": str(payload_type),
                "rtp": [{"payload": payload_type, "codec": codec, "rate": RATES[codec]}],
                "fmtp": [],
                "control": f"trackID={index}",
            }
            for index, (codec, payload_type) in enumerate(described)
        ],
    }
    found = media.read(sdp_transform.write(session)).media
    assert [one.control for one in found] == [f"trackID={index}" for index in range(len(described))]
    assert [
        (one.track.index, one.track.codec, one.track.clock_rate, one.track.payload_type)
        for one in found
    ] == [
        (index, codec, RATES[codec], payload_type)
        for index, (codec, payload_type) in enumerate(described)
    ]

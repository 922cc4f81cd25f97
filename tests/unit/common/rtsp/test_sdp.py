"""The SDP that players get."""

import pytest

from common.fields import Track
from common.rtsp.sdp import for_players, same_codecs
from common.rtsp.url import parse_target

VIDEO = Track(index=0, kind="video", codec="H264", clock_rate=90_000, payload_type=96)
AUDIO = Track(index=2, kind="audio", codec="PCMU", clock_rate=8000, payload_type=0)
SOURCE = """v=0
o=- 7 8 IN IP4 192.0.2.1
s=Front door
i=camera
c=IN IP4 192.0.2.1
t=0 0
a=control:rtsp://camera/live
a=range:npt=0-32.0
a=x-vendor:7
m=video 5004 RTP/AVP 96
c=IN IP4 239.1.1.1/16
b=AS:500
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:trackID=1
a=rtcp-mux
m=application 0 RTP/AVP 107
a=control:trackID=2
m=audio 5006/2 RTP/AVP 0
a=control:trackID=3
""".replace("\n", "\r\n")


def test_the_sdp_is_the_sources_but_for_addresses_and_controls() -> None:
    target = parse_target("rtsp://localhost:8554/cam")
    assert for_players(SOURCE, [VIDEO, AUDIO], target, ipv6=False).decode().split("\r\n") == [
        "v=0",
        "o=- 7 8 IN IP4 192.0.2.1",
        "s=Front door",
        "i=camera",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=x-vendor:7",
        "a=control:rtsp://localhost:8554/cam",
        "a=range:npt=now-",
        "m=video 0 RTP/AVP 96",
        "b=AS:500",
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 packetization-mode=1",
        "a=control:rtsp://localhost:8554/cam/trackID=0",
        "m=audio 0 RTP/AVP 0",
        "a=control:rtsp://localhost:8554/cam/trackID=2",
        "",
    ]


def test_what_a_poor_sdp_lacks_is_added() -> None:
    target = parse_target("rtsp://[::1]/cam")
    text = for_players("junk\nq=?\nm=video\na=rtpmap:96 H264/90000", [VIDEO], target, ipv6=True)
    assert text.decode().split("\r\n") == [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s= ",
        "c=IN IP6 ::",
        "t=0 0",
        "a=control:rtsp://[::1]/cam",
        "a=range:npt=now-",
        "m=video 0",
        "a=rtpmap:96 H264/90000",
        "a=control:rtsp://[::1]/cam/trackID=0",
        "",
    ]


@pytest.mark.parametrize(
    ("attribute", "same"),
    [
        ("a=fmtp:97 config=1190; mode=AAC-hbr", False),
        ("a=fmtp:97 mode=AAC-hbr;config=1188", True),
        ("a=rtpmap:97 MPEG4-GENERIC/48000/2", False),
        ("a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z2Q,aO4", True),
        ("a=framerate:30", True),
    ],
)
def test_parameters_of_a_codec_make_another_codec_but_for_parameter_sets(
    attribute: str, same: bool
) -> None:
    """What a player was told at DESCRIBE has to hold for what it gets after a restart."""
    head = "v=0\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/1\r\n"
    fmtp = "a=fmtp:97 config=1188;mode=AAC-hbr\r\n"
    video = "m=video 0 RTP/AVP 96\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=AAA\r\n"
    one = head + fmtp + video
    key = attribute.partition(" ")[0]
    lines = [attribute if line.startswith(key) else line for line in one.splitlines()]
    if key == "a=framerate:30":
        lines.append(attribute)
    assert same_codecs(one, "\r\n".join(lines) + "\r\n") is same

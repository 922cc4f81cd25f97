"""The SDP that players get."""

from common.fields import Track
from common.rtsp.sdp import for_players
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

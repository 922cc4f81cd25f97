"""Media of an SDP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.fields import Track
from serverproxy.core.media import align, decode, read, resolve
from tests.support.effort import cpu_seconds

HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\n"
VIDEO = (
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "a=control:stream=0\r\n"
)
AUDIO = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\na=control:stream=1\r\n"
H264 = Track(0, "video", "H264", 90_000, 96)
AAC = Track(1, "audio", "MPEG4-GENERIC", 48_000, 97)


def test_media_are_read_with_codec_and_clock() -> None:
    """The parser of aiortsp takes the channels of `mpeg4-generic/48000/2` for the clock rate."""
    description = read(HEAD + "a=control:*\r\n" + VIDEO + AUDIO)
    assert description.tracks == (H264, AAC)
    assert description.control == "*"
    assert [medium.control for medium in description.media] == ["stream=0", "stream=1"]


def test_static_payload_types_need_no_rtpmap() -> None:
    (track,) = read(HEAD + "m=audio 0 RTP/AVP 0\r\n").tracks
    assert track == Track(0, "audio", "PCMU", 8000, 0)


def test_the_rtpmap_of_the_payload_type_in_the_m_line_counts() -> None:
    media = "m=video 0 RTP/AVP 97 96\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 H265/90000\r\n"
    assert read(media).tracks == (Track(0, "video", "H265", 90_000, 97),)


def test_what_cannot_be_pulled_keeps_its_place_in_the_count() -> None:
    """`m=image` of some cameras must not swallow the control of its neighbours."""
    image = "m=image 0 RTP/AVP 98\r\na=control:stream=9\r\n"
    metadata = "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
    unknown = "m=application 0 RTP/AVP 108\r\n"
    description = read(HEAD + VIDEO + image + unknown + metadata + AUDIO)
    assert [track.index for track in description.tracks] == [0, 3, 4]
    assert description.tracks[1].codec == "VND.ONVIF.METADATA"
    assert description.media[0].control == "stream=0"


def test_older_cameras_write_latin_1() -> None:
    assert decode("s=Caméra".encode("latin-1")) == "s=Caméra"
    assert decode("s=Caméra".encode()) == "s=Caméra"


@pytest.mark.parametrize(
    ("control", "url"),
    [
        ("", "rtsp://h/live/"),
        ("*", "rtsp://h/live/"),
        ("stream=0", "rtsp://h/live/stream=0"),
        ("01", "rtsp://h/live/01"),
        ("/abs/1", "rtsp://h/abs/1"),
        ("RTSP://other/1", "RTSP://other/1"),
    ],
)
def test_controls_are_joined_as_other_clients_do(control: str, url: str) -> None:
    assert resolve("rtsp://h/live/", control) == url


def test_a_base_without_a_slash_gets_one() -> None:
    assert resolve("rtsp://h/live?a=1", "t0") == "rtsp://h/live?a=1/t0"


def test_media_in_another_order_are_put_in_the_known_one() -> None:
    known = read(HEAD + VIDEO + AUDIO)
    sdp = HEAD.replace("1 1", "2 2") + AUDIO.replace("stream=1", "t7") + VIDEO
    got = align(read(sdp), known)
    assert got.tracks == known.tracks
    assert [medium.control for medium in got.media] == ["stream=0", "t7"]
    assert "o=- 2 2" in got.sdp
    assert got.sdp.index("m=video") < got.sdp.index("m=audio")


def test_the_same_order_is_kept_as_sent() -> None:
    sdp = HEAD + VIDEO.replace("mode=1", "mode=0") + AUDIO
    assert align(read(sdp), read(HEAD + VIDEO + AUDIO)).sdp == sdp


@pytest.mark.parametrize(
    "sdp",
    [
        HEAD + AUDIO + VIDEO.replace("H264", "H265"),
        HEAD + AUDIO + VIDEO.replace("96", "99"),
        HEAD + AUDIO,
        HEAD + AUDIO + VIDEO + AUDIO,
    ],
)
def test_other_media_are_another_description(sdp: str) -> None:
    fresh = read(sdp)
    assert align(fresh, read(HEAD + VIDEO + AUDIO)) is fresh


def test_a_missing_line_end_does_not_glue_media_together() -> None:
    got = align(read((HEAD + AUDIO + VIDEO).rstrip()), read(HEAD + VIDEO + AUDIO))
    assert got.tracks == (H264, AAC)


@given(st.text(), st.text())
def test_any_text_is_read(first: str, second: str) -> None:
    align(read("m=" + first), read("m=audio 0 RTP/AVP 0\r\n" + second))


def test_more_media_than_are_looked_at_are_not_put_in_order() -> None:
    """Each was compared with each: the 8,000 that an SDP can have took a minute."""
    media = [f"m=audio 0 RTP/AVP {number % 128}\r\n" for number in range(3000)]
    known, fresh = read(HEAD + "".join(media)), read(HEAD + "".join(reversed(media)))
    seconds = cpu_seconds(lambda: align(fresh, known))
    assert align(fresh, known) == fresh
    assert seconds < 1

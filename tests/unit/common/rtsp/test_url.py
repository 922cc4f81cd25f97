"""What the URLs of players mean."""

import pytest

from common.errors import RtspError
from common.rtsp.url import MAX_NAME_BYTES, parse_target


@pytest.mark.parametrize(
    ("url", "channel", "server", "track"),
    [
        ("rtsp://localhost:8554/cam", "cam", None, None),
        ("rtsp://localhost:8554/cam/", "cam", None, None),
        ("RTSP://localhost/cam", "cam", None, None),
        ("rtsp://[::1]:8554/cam/trackID=1", "cam", None, 1),
        ("rtsp://h/cam/stream=0", "cam", None, 0),
        ("rtsp://h/host:7854/cam", "cam", "host:7854", None),
        ("rtsp://h/host/cam/trackID=2/", "cam", "host", 2),
        ("rtsp://h/%5B::1%5D:7854/cam", "cam", "[::1]:7854", None),
        ("rtsp://h/front%20door", "front door", None, None),
        ("rtsp://h/caf%C3%A9", "café", None, None),
        ("rtsp://h/cam?token=abc&b=2", "cam", None, None),
        ("rtsp://h/cam?token=abc&b=2/trackID=0", "cam", None, 0),
        ("rtsp://h/cam?path=/a/b/", "cam", None, None),
    ],
)
def test_a_url_names_channel_server_and_track(
    url: str, channel: str, server: str | None, track: int | None
) -> None:
    target = parse_target(url)
    assert (target.channel, target.server, target.track) == (channel, server, track)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://h/cam", 400),
        ("/cam", 400),
        ("*", 400),
        ("rtsp:///cam", 400),
        ("rtsp://h/%ff", 400),
        ("rtsp://h", 404),
        ("rtsp://h/", 404),
        ("rtsp://h/trackID=0", 404),
        ("rtsp://h/stream=0", 404),
        ("rtsp://h/host:7854", 404),
        ("rtsp://h//cam", 404),
        ("rtsp://h/a/b/c", 404),
        ("rtsp://h/a%2Fb", 404),
        ("rtsp://h/a%00b", 404),
        ("rtsp://h/" + "a" * (MAX_NAME_BYTES + 1), 404),
    ],
)
def test_a_url_without_a_channel_is_refused(url: str, status: int) -> None:
    with pytest.raises(RtspError) as caught:
        parse_target(url)
    assert caught.value.status == status


def test_control_urls_are_absolute_and_come_back_as_tracks() -> None:
    target = parse_target("rtsp://user:secret@h:8554/cam?token=abc/")
    assert target.base == "rtsp://h:8554/cam?token=abc"
    assert target.control(1) == "rtsp://h:8554/cam?token=abc/trackID=1"
    assert parse_target(target.control(1)).track == 1


def test_host_query_and_track_make_no_other_channel() -> None:
    one, two = (
        parse_target("rtsp://localhost/cam?a=1"),
        parse_target("rtsp://127.0.0.1/cam/trackID=1"),
    )
    assert one.is_channel_of(two)
    assert not one.is_channel_of(parse_target("rtsp://localhost/other"))
    assert not one.is_channel_of(parse_target("rtsp://localhost/host:1/cam"))

"""URLs of sources."""

import pytest

from serverproxy.core.rtspurl import SourceUrl, redact
from tests.support.effort import cpu_seconds


def test_a_url_is_taken_apart() -> None:
    url = SourceUrl.parse("rtsp://us%40r:p%20w@camera:8554/live?channel=1")
    assert (url.scheme, url.host, url.port) == ("rtsp", "camera", 8554)
    assert (url.username, url.password) == ("us@r", "p w")
    assert url.request == "rtsp://camera:8554/live?channel=1"


def test_an_ipv6_host_keeps_its_brackets_in_requests() -> None:
    url = SourceUrl.parse("rtsp://[::1]:8554/x")
    assert (url.host, url.request) == ("::1", "rtsp://[::1]:8554/x")


def test_ports_have_defaults() -> None:
    assert SourceUrl.parse("rtsp://h/x").port == 554
    assert SourceUrl.parse("rtsps://h/x").port == 322
    assert SourceUrl.parse("rtsp://h").username is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://h/x", "no RTSP URL"),
        ("camera", "no RTSP URL"),
        ("rtsp:///x", "names no host"),
        ("rtsp://h:port/x", "PORT"),
        ("rtsp://h:99999/x", "PORT"),
        ("rtsp://[::1/x", "not an URL"),
        ("rtsp://h/a b", "space"),
        ("rtsp://h/a\r\nX: y", "control character"),
        ("rtsp://admin:pa/ss@h/x", "PORT"),
    ],
)
def test_what_is_no_source_url_is_refused_without_its_secret(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        SourceUrl.parse(url)
    assert "pa/ss" not in str(caught.value)


def test_the_parts_do_not_show_their_secret() -> None:
    assert "sesame" not in repr(SourceUrl.parse("rtsp://ali:sesame@h/x"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://h:554/live", "rtsp://h:554/live"),
        ("rtsp://user:sesame@h/live", "rtsp://***@h/live"),
        ("rtsp://user@h/live", "rtsp://***@h/live"),
        ("rtsp://user:ses@me@h/live", "rtsp://***@h/live"),
        ("rtsp://user:ses/ame@h/live", "rtsp://***@h/live"),
        ("rtsp://user:ses@m/e@h/live", "rtsp://***@h/live"),
        ("rtsp://h/live@1", "rtsp://h/live@1"),
        ("rtsp://h/x?user=a&password=b&channel=1", "rtsp://h/x?user=***&password=***&channel=1"),
        ("rtsp://h/user=a&pwd=b", "rtsp://h/user=***&pwd=***"),
        ("rtsp://h/x\n", "rtsp://h/x?"),
        ("testcard:?size=1x1", "testcard:?size=1x1"),
    ],
)
def test_logs_show_no_secret(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize("url", ["rtsp://h:554/live", "rtsp://user:sesame@h:554/live"])
def test_credentials_that_were_taken_out_of_an_url_are_shown_as_such(url: str) -> None:
    assert redact(url, credentials=True) == "rtsp://***@h:554/live"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://h/?my_password=b", "rtsp://h/?my_password=***"),
        ("rtsp://h/?x=1?user-name=b", "rtsp://h/?x=1?user-name=***"),
        ("rtsp://h/" + "a" * 300, "rtsp://h/" + "a" * 191 + "…"),
        (
            "rtsp://h/" + "a" * 150 + "&password=" + "b" * 99,
            "rtsp://h/" + "a" * 150 + "&password=***…",
        ),
        ("rtsp://u:" + "p" * 300 + "@h/live", "rtsp://***@h/live"),
    ],
)
def test_neither_long_names_nor_long_urls_show_a_secret(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize("unit", ["a.", "a", "user", ":", "user=", "@"])
def test_no_redirect_of_a_camera_takes_long_to_show(unit: str) -> None:
    """It took minutes: the search began anew at each dot, and at each letter behind it."""
    assert cpu_seconds(lambda: redact("http://h/" + unit * (16_000 // len(unit)))) < 1

"""Which player is started, and with which words."""

from collections.abc import Callable, Collection

import pytest

from clientproxy.commands.players import choose, filled, url_of
from common.errors import ConfigError
from common.ids import Address
from common.rtsp.auth import Access

RTSP = Address("127.0.0.1", 8554)


def having(*programs: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in programs else None


def anything(_program: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("programs", "first"),
    [
        (("vlc", "mpv", "ffplay"), ["/usr/bin/mpv", "{url}"]),
        (("vlc", "gst-play-1.0"), ["/usr/bin/vlc", "{url}"]),
        (("gst-launch-1.0",), ["/usr/bin/gst-launch-1.0", "playbin", "uri={url}"]),
        ((), []),
    ],
)
def test_the_first_that_is_installed_is_taken(programs: Collection[str], first: list[str]) -> None:
    assert choose(None, having(*programs), anything) == first


def test_ffplay_is_quiet_and_uses_tcp() -> None:
    assert choose("ffplay", having("ffplay"), anything) == choose(None, having("ffplay"), anything)
    assert "-rtsp_transport tcp {url}" in " ".join(choose("ffplay", having("ffplay"), anything))


def test_a_player_that_cannot_open_rtsp_is_passed_over() -> None:
    def not_vlc(program: str) -> bool:
        return program != "/usr/bin/vlc"

    assert choose(None, having("vlc"), not_vlc) == []
    assert choose("vlc", having("vlc"), not_vlc) == ["/usr/bin/vlc", "{url}"]


@pytest.mark.parametrize(
    ("wanted", "command"),
    [
        ("none", []),
        ("mpv --profile=low-latency", ["/usr/bin/mpv", "--profile=low-latency", "{url}"]),
        ("mpv '--title=a b' {url} -x", ["/usr/bin/mpv", "--title=a b", "{url}", "-x"]),
        ("mpv uri={url}", ["/usr/bin/mpv", "uri={url}"]),
    ],
)
def test_a_command_takes_the_url_in_its_place_or_at_its_end(
    wanted: str, command: list[str]
) -> None:
    assert choose(wanted, having("mpv"), anything) == command


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("nosuch -x", "--player: 'nosuch' is not installed: write another, of mpv, ffplay"),
        ("", "--player: write a command, or none"),
        ("mpv 'x", "is no command (No closing quotation)"),
    ],
)
def test_a_player_that_cannot_be_started_is_refused(wanted: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        choose(wanted, having("mpv"), anything)
    assert words in str(told.value)


def test_credentials_are_written_so_that_players_read_them() -> None:
    assert url_of(RTSP, "cam") == "rtsp://127.0.0.1:8554/cam"
    url = url_of(Address("::1", 8554), "cam", Access("a user", "p@ss/:w"))
    assert url == "rtsp://a%20user:p%40ss%2F%3Aw@[::1]:8554/cam"
    assert filled(["gst", "uri={url}"], url) == ["gst", f"uri={url}"]

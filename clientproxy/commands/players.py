"""The player that `clientproxy watch` starts: which one, and its command line. No I/O here."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from common.errors import ConfigError
from common.ids import Address
from common.rtsp.auth import Access

URL = "{url}"
NONE = "none"
"""`--player none`: the URL is for another player, or another machine."""

_QUIET = ("-hide_banner", "-loglevel", "warning", "-nostats")
PLAYERS: Mapping[str, Sequence[str]] = {
    "mpv": ["mpv", URL],
    "ffplay": ["ffplay", *_QUIET, "-rtsp_transport", "tcp", URL],
    "vlc": ["vlc", URL],
    "gst-play-1.0": ["gst-play-1.0", URL],
    "gst-launch-1.0": ["gst-launch-1.0", "playbin", f"uri={URL}"],
}
"""In the order in which they are looked for, with what is good on one machine."""


def choose(
    wanted: str | None, which: Callable[[str], str | None], plays_rtsp: Callable[[str], bool]
) -> list[str]:
    """Return the command of a player, its URL as `URL`; empty: there is none, or none is wanted.

    `which` finds a program, `plays_rtsp` says whether what it found can do it: Debian's VLC cannot.
    Raises ConfigError where the one that is wanted is not there.
    """
    if wanted is None:
        for name, command in PLAYERS.items():
            found = which(name)
            if found is not None and plays_rtsp(found):
                return [found, *command[1:]]
        return []
    if wanted == NONE:
        return []
    try:
        command = shlex.split(wanted)
    except ValueError as error:
        raise ConfigError([f"--player: {wanted!r} is no command ({error})"]) from None
    if not command:
        raise ConfigError([f"--player: write a command, or {NONE} for the URL alone"])
    found = which(command[0])
    if found is None:
        known = f"{', '.join(PLAYERS)} or {NONE}"
        raise ConfigError([f"--player: {command[0]!r} is not installed: write another, of {known}"])
    rest = command[1:] if any(URL in word for word in command) else [*command[1:], URL]
    if len(command) == 1 and command[0] in PLAYERS:
        rest = list(PLAYERS[command[0]][1:])
    return [found, *rest]


def url_of(rtsp: Address, channel: str, access: Access | None = None) -> str:
    """Return what a player opens; with the user and password of `access` in it."""
    user = ""
    if access is not None:
        user = f"{quote(access.user, safe='')}:{quote(access.password, safe='')}@"
    return f"rtsp://{user}{rtsp}/{channel}"


def filled(command: Sequence[str], url: str) -> list[str]:
    """Return the command with the URL in its place."""
    return [word.replace(URL, url) for word in command]

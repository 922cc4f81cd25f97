"""URLs that players open, and the control URLs that the SDP gives them.

`rtsp://host:8554/cam` is channel `cam`; `rtsp://host:8554/server:7854/cam` names its server proxy
too. A query is allowed and ignored. Our control URLs end in `/trackID=N`; players put that behind
the query where there is one.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from common.errors import RtspError

MAX_NAME_BYTES = 128
TRACK_MARK = "trackID="
_URL = re.compile(
    r"(?P<scheme>rtsp[su]?)://(?P<authority>[^/?#]+)(?P<rest>[/?][^#]*)?", re.IGNORECASE
)
_TRACK = re.compile(r"/(?:trackID|stream)=(?P<index>[0-9]{1,3})$")


class Target(NamedTuple):
    """What a URL means."""

    channel: str
    server: str | None
    """`host` or `host:port` of the server proxy where the URL names it."""
    track: int | None
    """Index of the track of a control URL; None for the whole channel."""
    base: str
    """The URL of the whole channel as the player wrote it: no slash at the end, no password."""

    def is_channel_of(self, other: "Target") -> bool:
        """Say whether both mean the same channel, by whatever host, query or track."""
        return (self.channel, self.server) == (other.channel, other.server)

    def control(self, track: int) -> str:
        """Return the control URL of a track."""
        return f"{self.base}/{TRACK_MARK}{track}"


def parse_target(url: str) -> Target:
    """Read a request URL. Raises RtspError: 400 where it is none, 404 where it names no channel."""
    found = _URL.fullmatch(url)
    if found is None:
        raise RtspError(400, "request URL is no rtsp:// URL")
    rest = (found["rest"] or "").rstrip("/")
    mark = _TRACK.search(rest)
    track = int(mark["index"]) if mark else None
    rest = rest[: mark.start()].rstrip("/") if mark else rest
    host = found["authority"].rpartition("@")[2]
    segments = [_decode(part) for part in rest.partition("?")[0].split("/")[1:]]
    server, channel = _split(segments)
    return Target(channel, server, track, f"{found['scheme']}://{host}{rest}")


def _split(segments: list[str]) -> tuple[str | None, str]:
    match segments:
        case [channel] if channel and ":" not in channel:
            return None, channel
        case [server, channel] if server and channel:
            return server, channel
        case _:
            raise RtspError(404, "URL names no channel: write rtsp://HOST:PORT/CHANNEL")


def _decode(segment: str) -> str:
    """Undo percent-encoding. Raises RtspError where the result is no name."""
    try:
        name = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise RtspError(400, "URL has a percent-code that is no UTF-8") from None
    if not name.isprintable() or "/" in name or len(name.encode()) > MAX_NAME_BYTES:
        raise RtspError(404, "URL has a part that is no name")
    return name

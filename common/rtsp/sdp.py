"""The SDP that players get: the source's own, but for what names its addresses and controls."""

from collections.abc import Iterator, Sequence
from itertools import chain

from common.fields import Track
from common.rtsp.url import Target

_ORDER = "vosiuepcbtrzka"
"""Order of the lines of a session description (RFC 4566, 5)."""
_SESSION_DEFAULTS = {"v": "v=0", "o": "o=- 0 0 IN IP4 127.0.0.1", "s": "s= ", "t": "t=0 0"}
_DROPPED = ("control", "range", "rtcp", "rtcp-mux", "source-filter", "ssrc", "ssrc-group")
"""Attributes that speak of the source's session, not of the one between player and proxy."""


def for_players(sdp: str, tracks: Sequence[Track], target: Target, *, ipv6: bool) -> bytes:
    """Return the SDP for a player's DESCRIBE.

    Media that are not in `tracks` are left out. Control URLs are absolute, since players disagree
    on how to resolve others; `a=range:npt=now-` says that the stream is live.
    """
    session, *media = _sections(sdp)
    connection = "c=IN IP6 ::" if ipv6 else "c=IN IP4 0.0.0.0"
    session += [connection, f"a=control:{target.base}", "a=range:npt=now-"]
    session += [line for kind, line in _SESSION_DEFAULTS.items() if not _has(session, kind)]
    session.sort(key=lambda line: _ORDER.index(line[0]))
    carried = {track.index for track in tracks}
    lines = chain(
        session,
        *(
            [_without_port(section[0]), *section[1:], f"a=control:{target.control(index)}"]
            for index, section in enumerate(media)
            if index in carried
        ),
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def same_codecs(one: str, other: str) -> bool:
    """Return whether a decoder that was set up for one SDP can go on with the other.

    Formats and their parameters have to agree, but for parameter sets: encoders repeat them in the
    stream, and write other ones at each start.
    """
    return _formats(one) == _formats(other)


def _formats(sdp: str) -> list[list[str]]:
    return [sorted(filter(None, map(_format, section[1:]))) for section in _sections(sdp)[1:]]


def _format(line: str) -> str:
    """Return an rtpmap or fmtp line in one spelling, "" for any other."""
    name, _, value = line.removeprefix("a=").partition(":")
    if name.strip().lower() == "rtpmap":
        return f"rtpmap {value.strip().lower()}"
    if name.strip().lower() != "fmtp":
        return ""
    format_, _, given = value.strip().partition(" ")
    parameters = (parameter.strip() for parameter in given.split(";"))
    kept = sorted(one for one in parameters if one and not one.lower().startswith("sprop-"))
    return f"fmtp {format_} {';'.join(kept)}"


def _sections(sdp: str) -> list[list[str]]:
    """Split into the session part and one part per m= line, without what we say ourselves."""
    sections: list[list[str]] = [[]]
    for line in _lines(sdp):
        if line.startswith("m="):
            sections.append([line])
        elif not _is_dropped(line) and (len(sections) > 1 or line[0] in _ORDER):
            sections[-1].append(line)
    return sections


def _lines(sdp: str) -> Iterator[str]:
    for line in sdp.replace("\r", "\n").split("\n"):
        if line[1:2] == "=":
            yield line


def _is_dropped(line: str) -> bool:
    if line.startswith("c="):
        return True
    return line.startswith("a=") and line[2:].partition(":")[0].strip().lower() in _DROPPED


def _has(lines: list[str], kind: str) -> bool:
    return any(line[0] == kind for line in lines)


def _without_port(media: str) -> str:
    """Return an m= line with port 0: RTSP agrees on the ports (RFC 2326, C.1.2)."""
    kind, *rest = media.split(" ")
    return " ".join([kind, "0", *rest[1:]])

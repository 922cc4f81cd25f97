"""The media of a source: what its SDP (RFC 2326, C.1; RFC 4566) says, read line by line.

Nothing here raises for what an SDP holds: what cannot be read is not a medium that is pulled.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from common.fields import Track

MAX_MEDIA = 16
"""m= lines that are looked at; what follows them is no medium that is pulled."""
_STATIC = {
    0: ("PCMU", 8000), 3: ("GSM", 8000), 4: ("G723", 8000), 8: ("PCMA", 8000), 9: ("G722", 8000),
    10: ("L16", 44100), 11: ("L16", 44100), 14: ("MPA", 90000), 26: ("JPEG", 90000),
    31: ("H261", 90000), 32: ("MPV", 90000), 33: ("MP2T", 90000), 34: ("H263", 90000),
}  # fmt: skip
"""Payload types that need no rtpmap (RFC 3551, 6)."""
_PULLED = ("audio", "video", "application")
_MEDIUM_LINE = re.compile(r"m=(\w+) +\d+(?:/\d+)? +(\S+) +(\d{1,3})\b")
_RTPMAP = re.compile(r"a=rtpmap: *(\d{1,3}) +([^/\s]+)/(\d{1,9})")
_CONTROL = "a=control:"


class Medium(NamedTuple):
    """One medium that can be pulled."""

    track: Track
    control: str
    """As its SDP has it; empty when there is one medium and no control."""


@dataclass(frozen=True, slots=True)
class Description:
    """An SDP and the media in it that can be pulled."""

    sdp: str
    control: str
    """Session-level control attribute, empty if there is none."""
    media: tuple[Medium, ...]

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks of `media`."""
        return tuple(medium.track for medium in self.media)


def decode(body: bytes) -> str:
    """Return the text of an SDP: UTF-8, or Latin-1 as older cameras write it."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1")


def read(sdp: str) -> Description:
    """Read an SDP. Media of unknown kind, without a codec, or not RTP, are left out."""
    head, sections = _sections(sdp)
    media = [
        Medium(track, _control(section))
        for index, section in enumerate(sections[:MAX_MEDIA])
        if (track := _track(index, section)) is not None
    ]
    return Description(sdp, _control(head), tuple(media))


def resolve(base: str, control: str) -> str:
    """Return the URL that a control attribute means (RFC 2326, C.1.1), as live555 joins them."""
    if control in ("", "*"):
        return base
    if control.lower().startswith(("rtsp://", "rtsps://")):
        return control
    if control.startswith("/"):
        parts = urlsplit(base)
        return f"{parts.scheme}://{parts.netloc}{control}"
    return base + ("" if base.endswith("/") else "/") + control


def align(fresh: Description, known: Description | None) -> Description:
    """Return `fresh` with its m= lines in the order of `known`, if both have the same media.

    VLC sends audio first or video first at whim; tracks keep their index that way. Media are the
    same if kind, codec, clock rate and payload type are; anything else is another description, and
    so are more than `MAX_MEDIA`.
    """
    if known is None:
        return fresh
    head, sections = _sections(fresh.sdp)
    _, before = _sections(known.sdp)
    if len(sections) != len(before) or len(sections) > MAX_MEDIA:
        return fresh
    left = [(_kind_and_codec(section), section) for section in sections]
    ordered: list[str] = []
    for key in map(_kind_and_codec, before):
        match = next((one for one in left if one[0] == key), None)
        if match is None:
            return fresh
        left.remove(match)
        ordered.append(match[1])
    if ordered == sections:
        return fresh
    end = "" if fresh.sdp.endswith("\n") else "\r\n"
    whole = [section if section.endswith("\n") else section + end for section in ordered]
    return read(head + "".join(whole))


def _sections(sdp: str) -> tuple[str, list[str]]:
    """Split an SDP before each m= line; the parts together are the SDP."""
    head, *sections = re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)
    return head, sections


def _control(section: str) -> str:
    for line in section.splitlines():
        if line.startswith(_CONTROL):
            return line.removeprefix(_CONTROL).strip()
    return ""


def _kind_and_codec(section: str) -> tuple[str, str, int, int]:
    line = _MEDIUM_LINE.match(section)
    if line is None or not line[2].startswith("RTP/"):
        return section.partition("\n")[0].strip(), "", 0, 0
    payload_type = int(line[3])
    codec, clock_rate = _STATIC.get(payload_type, ("", 0))
    for text in section.splitlines():
        if (found := _RTPMAP.match(text)) and int(found[1]) == payload_type:
            codec, clock_rate = found[2].upper(), int(found[3])
            break
    return line[1], codec, clock_rate, payload_type


def _track(index: int, section: str) -> Track | None:
    kind, codec, clock_rate, payload_type = _kind_and_codec(section)
    if kind not in _PULLED or not codec or not clock_rate:
        return None
    return Track(index, kind, codec, clock_rate, payload_type)

"""Transport and Session headers of a source's answers (RFC 2326, 12.39 and 12.37)."""

import re
from typing import NamedTuple

_PAIR = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
DEFAULT_SESSION_TIMEOUT = 60.0
_LEAST_SESSION_TIMEOUT, _MOST_SESSION_TIMEOUT = 2.0, 3600.0


class Transport(NamedTuple):
    """What a server says about the way that it sends one medium."""

    tcp: bool
    """Interleaved on the RTSP connection."""
    channels: tuple[int, int] | None
    """Interleaved channels of RTP and RTCP."""
    server_ports: tuple[int, int] | None
    """UDP ports that RTP and RTCP come from."""
    source: str
    """Address that packets come from, if it is not the server's; else empty."""


class Session(NamedTuple):
    """Id of a session and after how many silent seconds the server ends it."""

    id: str
    timeout: float


def read_transport(header: str) -> Transport:
    """Read a Transport header; what is not there or not readable is None or empty."""
    first, *fields = [field.strip() for field in header.split(",", 1)[0].split(";")]
    values = {
        name.strip().lower(): value.strip()
        for name, _, value in (field.partition("=") for field in fields)
    }
    return Transport(
        tcp=first.upper().endswith("/TCP"),
        channels=_pair(values.get("interleaved", ""), 255),
        server_ports=_pair(values.get("server_port", ""), 65_535),
        source=values.get("source", ""),
    )


def read_session(header: str) -> Session:
    """Read a Session header; the timeout is 60 s where none is given, and 2 s at least."""
    name, *fields = [field.strip() for field in header.split(";")]
    seconds = DEFAULT_SESSION_TIMEOUT
    for field in fields:
        found = re.fullmatch(r"timeout\s*=\s*(\d{1,9}(?:\.\d{1,9})?)", field, re.IGNORECASE)
        if found:
            seconds = min(max(float(found[1]), _LEAST_SESSION_TIMEOUT), _MOST_SESSION_TIMEOUT)
    return Session(name, seconds)


def _pair(value: str, most: int) -> tuple[int, int] | None:
    found = _PAIR.fullmatch(value)
    if found is None:
        return None
    first = int(found[1])
    second = int(found[2]) if found[2] else first + 1
    return (first, second) if max(first, second) <= most else None

"""RTSP/1.0 messages as values (RFC 2326, 6, 7 and 10.12)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

VERSION = "RTSP/1.0"
HTTP = "HTTP/1."
"""How the version of a request begins that opens half of a tunnel (`common.rtsp.tunnel`)."""
MAX_REASON_CHARS = 240
"""Of the reason phrase: ffmpeg keeps 255 bytes of it."""
DOLLAR = 0x24
"""First byte of an interleaved frame: `$` (RFC 2326, 10.12)."""

METHODS = (
    "OPTIONS",
    "DESCRIBE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
)
"""What the server does, in the order of its `Public` header."""

FOREIGN_METHODS = frozenset({"ANNOUNCE", "RECORD", "REDIRECT"})
"""Methods of RFC 2326 that no resource of ours allows."""

REASONS = MappingProxyType(
    {
        200: "OK",
        400: "Bad Request",
        401: "Unauthorized",
        404: "Not Found",
        405: "Method Not Allowed",
        406: "Not Acceptable",
        408: "Request Time-out",
        413: "Request Entity Too Large",
        414: "Request-URI Too Large",
        451: "Parameter Not Understood",
        453: "Not Enough Bandwidth",
        454: "Session Not Found",
        455: "Method Not Valid in This State",
        459: "Aggregate Operation Not Allowed",
        460: "Only Aggregate Operation Allowed",
        461: "Unsupported Transport",
        500: "Internal Server Error",
        501: "Not Implemented",
        503: "Service Unavailable",
        505: "RTSP Version Not Supported",
        551: "Option not supported",
    }
)


class Headers:
    """Header fields: names without regard to case, repeated ones kept in order."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in fields:
            self._values.setdefault(name.lower(), []).append(value)

    def first(self, name: str) -> str | None:
        """Return the first field of that name."""
        values = self._values.get(name.lower())
        return values[0] if values else None

    def joined(self, name: str) -> str | None:
        """Return all fields of that name as one comma list (RFC 2326, 4.2 of RFC 2068)."""
        values = self._values.get(name.lower())
        return ",".join(values) if values else None


@dataclass(frozen=True, slots=True)
class Request:
    """A request; its line is split but not judged: method, URI and version are any words."""

    method: str
    uri: str
    version: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that came from a player, which we never wait for."""

    status: int


class Interleaved(NamedTuple):
    """One binary frame between RTSP messages (RFC 2326, 10.12)."""

    channel: int
    payload: bytes


Message = Request | Reply | Interleaved


@dataclass(frozen=True, slots=True)
class Response:
    """A response of ours. `Content-Length` is added where there is a body."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    why: str = ""
    """A sentence for whoever watches: players show the reason phrase (RFC 2326, 7.1.1)."""

    def encode(self, cseq: str | None) -> bytes:
        """Return its bytes; `cseq` is that of the request, None where it had none."""
        lines = [f"{VERSION} {self.status} {self._reason()}"]
        if cseq is not None:
            lines.append(f"CSeq: {cseq}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body

    def _reason(self) -> str:
        """Return the reason phrase: one line of ASCII, whatever the sentence holds."""
        text = f"{REASONS[self.status]}: {self.why}" if self.why else REASONS[self.status]
        shown = "".join(sign if " " <= sign <= "~" else "?" for sign in text)
        return shown[:MAX_REASON_CHARS]

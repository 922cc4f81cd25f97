"""RTSP over HTTP, as QuickTime, FFmpeg, GStreamer and live555 speak it: what crosses the wire.

A GET stays open and carries everything to the player; a POST with the same `x-sessioncookie`
carries its requests in base64. Both look like HTTP/1.0, neither is: the POST is never answered, and
its Content-Length is a fiction.

Rules
-----
1. Each message is padded on its own, so base64 is read by fours; how it is cut makes no difference.
2. Line ends between the characters are skipped, anything else raises RtspError(400).
3. At most three characters are kept.
"""

import binascii
from types import MappingProxyType

from common.errors import RtspError
from common.rtsp.messages import Request

MAX_COOKIE_CHARS = 128
_FOUR = 4
_LINE_ENDS = b"\r\n"
_REASONS = MappingProxyType({400: "Bad Request", 404: "Not Found", 503: "Service Unavailable"})
_ADVICE = "This port speaks RTSP. Open rtsp://HOST:PORT/CHANNEL in a player, not in a browser.\n"

ACCEPTED = (
    b"HTTP/1.0 200 OK\r\n"
    b"Connection: close\r\n"
    b"Cache-Control: no-store\r\n"
    b"Pragma: no-cache\r\n"
    b"Content-Type: application/x-rtsp-tunnelled\r\n"
    b"\r\n"
)
"""The answer to the GET; what follows it is RTSP."""


def refusal(status: int) -> bytes:
    """Return an answer for who expects HTTP: 400, 404 or 503; anything else is 400."""
    known = status if status in _REASONS else 400
    head = f"HTTP/1.0 {known} {_REASONS[known]}\r\nConnection: close\r\nContent-Type: text/plain"
    return f"{head}\r\nContent-Length: {len(_ADVICE)}\r\n\r\n{_ADVICE}".encode()


def cookie(request: Request) -> str:
    """Return what pairs the halves of a tunnel.

    Raises RtspError: 404 where a request has none, so is none of a tunnel, 400 where it is no word.
    """
    value = request.headers.first("x-sessioncookie")
    if value is None:
        raise RtspError(404, "HTTP without x-sessioncookie")
    if not (0 < len(value) <= MAX_COOKIE_CHARS and value.isascii() and value.isprintable()):
        raise RtspError(400, f"x-sessioncookie is not 1 to {MAX_COOKIE_CHARS} printable characters")
    return value


class Unwrapper:
    """What one POST carries, without its base64."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take characters as they came, return the bytes that are whole. Raises RtspError(400)."""
        text = self._rest + chunk.translate(None, _LINE_ENDS)
        whole = len(text) - len(text) % _FOUR
        self._rest = text[whole:]
        if b"=" not in text[:whole]:
            return _decode(text[:whole])
        # Behind the padding of one message the next one begins.
        fours = (text[at : at + _FOUR] for at in range(0, whole, _FOUR))
        return b"".join(_decode(four) for four in fours)


def _decode(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise RtspError(400, "what the POST carries is no base64") from None

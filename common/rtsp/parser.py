"""Split what a player sends into requests, replies and interleaved frames.

Rules
-----
1. Any bytes either parse or raise RtspError; after an error the reader is of no more use.
2. How the bytes are cut into chunks makes no difference.
3. Nothing is kept beyond the limits below: a head, a body, one interleaved frame.
4. Lines end in CRLF or LF; empty lines between messages are skipped; folded and repeated header
   fields are read; bytes that are no UTF-8 are replaced, since no field that we use has any.
5. GET and POST of HTTP/1.x are requests too (`common.rtsp.tunnel`), always without a body: what
   follows them is for who takes the `rest`.
"""

from typing import NamedTuple

from common.errors import RtspError
from common.rtsp.messages import DOLLAR, HTTP, Headers, Interleaved, Message, Reply, Request

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
MAX_URI_BYTES = 2 * 1024
_FRAME_HEAD_BYTES = 4
_EMPTY_LINES = (b"\n\r\n", b"\n\n")
_PROTOCOL = "RTSP/"
_TUNNEL_METHODS = frozenset({"GET", "POST"})
_WORDS = 3
_STATUS_DIGITS = 3


class _Head(NamedTuple):
    words: list[str]
    headers: Headers
    body_bytes: int


class MessageReader:
    """Reader of one connection: `feed` what came, then take `next_message` until None."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0
        self._head: _Head | None = None

    def feed(self, chunk: bytes) -> None:
        """Take bytes as they came."""
        self._data += chunk

    def next_message(self) -> Message | None:
        """Return the next whole message, None where more bytes are needed.

        Raises RtspError with 400, 413 or 414: answer it and end the connection.
        """
        if self._head is None:
            if self._data and self._data[0] in b"\r\n":
                del self._data[: len(self._data) - len(self._data.lstrip(b"\r\n"))]
            if self._data and self._data[0] == DOLLAR:
                return self._interleaved()
            self._head = self._read_head()
        return None if self._head is None else self._with_body(self._head)

    def rest(self) -> bytes:
        """Give away what has not been read yet."""
        data = bytes(self._data)
        self._data.clear()
        return data

    def _interleaved(self) -> Interleaved | None:
        data = self._data
        end = _FRAME_HEAD_BYTES + int.from_bytes(data[2:_FRAME_HEAD_BYTES], "big")
        if len(data) < _FRAME_HEAD_BYTES or len(data) < end:
            return None
        frame = Interleaved(data[1], bytes(data[_FRAME_HEAD_BYTES:end]))
        del data[:end]
        return frame

    def _read_head(self) -> _Head | None:
        ends = [
            (at, at + len(mark))
            for mark in _EMPTY_LINES
            if (at := self._data.find(mark, self._searched)) >= 0
        ]
        end, after = min(ends, default=(len(self._data), 0))
        if end > MAX_HEAD_BYTES + len(_EMPTY_LINES[0]):
            raise RtspError(400, f"request head of more than {MAX_HEAD_BYTES} bytes")
        if not ends:
            self._searched = max(0, end - len(_EMPTY_LINES[0]) + 1)
            return None
        text = self._data[:end].decode("utf-8", "replace")
        del self._data[:after]
        self._searched = 0
        return _parse_head(text)

    def _with_body(self, head: _Head) -> Message | None:
        if len(self._data) < head.body_bytes:
            return None
        body = bytes(self._data[: head.body_bytes])
        del self._data[: head.body_bytes]
        self._head = None
        first, second, third = head.words
        if first.startswith(_PROTOCOL):
            return Reply(int(second))
        return Request(first, second, third, head.headers, body)


def _parse_head(text: str) -> _Head:
    line, *rest = text.split("\n")
    words = _parse_line(line.strip("\r"))
    headers = Headers(_parse_fields(rest))
    tunnel = words[2].startswith(HTTP)
    return _Head(words, headers, 0 if tunnel else _content_length(headers))


def _parse_line(line: str) -> list[str]:
    """Return method, URI and version, or version, status and reason."""
    words = line.split(" ", 2)
    if line.startswith(_PROTOCOL):
        status = words[1] if len(words) > 1 else ""
        if not (status.isascii() and status.isdigit() and len(status) == _STATUS_DIGITS):
            raise RtspError(400, "status line without a status")
        return [words[0], status, ""]
    words = line.split()
    if len(words) != _WORDS or not (words[2].startswith(_PROTOCOL) or _is_tunnel(words)):
        raise RtspError(400, "first line is no RTSP request")
    if len(words[1].encode()) > MAX_URI_BYTES:
        raise RtspError(414, f"URL of more than {MAX_URI_BYTES} bytes")
    return words


def _is_tunnel(words: list[str]) -> bool:
    return words[0] in _TUNNEL_METHODS and words[2].startswith(HTTP)


def _parse_fields(lines: list[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for raw in lines:
        line = raw.rstrip("\r")
        if line[:1] in {" ", "\t"} and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip()}".strip())
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise RtspError(400, "header line without a name")
        fields.append((name.strip(), value.strip()))
    return fields


def _content_length(headers: Headers) -> int:
    sizes = {size.strip() for size in (headers.joined("Content-Length") or "0").split(",")}
    size = sizes.pop()
    if sizes or not (size.isascii() and size.isdigit()):
        raise RtspError(400, "Content-Length is not one number")
    if len(size) > len(str(MAX_BODY_BYTES)) or int(size) > MAX_BODY_BYTES:
        raise RtspError(413, f"body of more than {MAX_BODY_BYTES} bytes")
    return int(size)

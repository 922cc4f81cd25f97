"""Split what an RTSP server sends into RTSP messages and interleaved packets (RFC 2326, 10.12).

Rules
-----
1. A message leaves whole, with CRLF line ends, its headers unfolded and in UTF-8, a reason phrase
   in its status line and one Content-Length: what aiortsp's parser needs, whatever a camera wrote.
2. A header block is at most `MAX_HEADER_BYTES`, a body at most `MAX_BODY_BYTES`.
3. Junk between packets is skipped up to the next `$` or `RTSP/`, and counted. Junk before the first
   message means that this is no RTSP server; more than `MAX_JUNK_BYTES` on end is an error too.
"""

import re
from typing import NamedTuple

from common.errors import PeerError

MAX_HEADER_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
MAX_JUNK_BYTES = 256 * 1024
_DOLLAR = 0x24
_PREFIX_BYTES = 4
_STATUS = b"RTSP/"
_METHODS = (
    b"OPTIONS ", b"ANNOUNCE ", b"GET_PARAMETER ", b"SET_PARAMETER ", b"REDIRECT ", b"TEARDOWN ",
    b"DESCRIBE ", b"SETUP ", b"PLAY ", b"PAUSE ", b"RECORD ",
)  # fmt: skip
_STARTS = (_STATUS, *_METHODS)
_LONGEST_START = max(map(len, _STARTS))
_NEXT = re.compile(rb"\$|RTSP/")
_END = re.compile(rb"\r?\n\r?\n")


class NotRtspError(PeerError):
    """The first bytes of the server are not RTSP."""

    reason = "not_rtsp"


class BadRtspError(PeerError):
    """An RTSP message that is too long or cannot be read."""

    reason = "bad_rtsp"


class Piece(NamedTuple):
    """One RTSP message (`channel` is None) or one interleaved packet."""

    channel: int | None
    data: bytes


class InterleavedReader:
    """The reader of one connection; feed it all that comes."""

    def __init__(self) -> None:
        self._rest = b""
        self._greeted = False
        self._junk_run = 0
        self.junk_bytes = 0
        """Bytes skipped between packets, in all."""

    def feed(self, chunk: bytes) -> list[Piece]:
        """Return all that is now complete, in order. Raises NotRtspError or BadRtspError."""
        data = self._rest + chunk if self._rest else chunk
        pieces: list[Piece] = []
        at, end = 0, len(data)
        while at < end:
            if data[at] == _DOLLAR and self._greeted:
                if at + _PREFIX_BYTES > end:
                    break
                after = at + _PREFIX_BYTES + ((data[at + 2] << 8) | data[at + 3])
                if after > end:
                    break
                pieces.append(Piece(data[at + 1], data[at + _PREFIX_BYTES : after]))
                self._junk_run = 0
            else:
                after = self._other(data, at, pieces)
                if after == at:
                    break
            at = after
        self._rest = data[at:]
        return pieces

    def _other(self, data: bytes, at: int, pieces: list[Piece]) -> int:
        """Take a message, an empty line or junk; return where it ends, `at` if it is incomplete."""
        if data[at] in b"\r\n":
            return at + 1
        head = data[at : at + _LONGEST_START]
        if not head.startswith(_STARTS):
            if any(start.startswith(head) for start in _STARTS):
                return at
            return self._skip(data, at)
        ended = _END.search(data, at, at + MAX_HEADER_BYTES)
        if ended is None:
            if len(data) - at >= MAX_HEADER_BYTES:
                raise BadRtspError(f"RTSP headers of more than {MAX_HEADER_BYTES} bytes")
            return at
        lines, size = _read_head(data[at : ended.start()])
        after = ended.end() + size
        if after > len(data):
            return at
        self._greeted = True
        self._junk_run = 0
        pieces.append(Piece(None, lines + data[ended.end() : after]))
        return after

    def _skip(self, data: bytes, at: int) -> int:
        if not self._greeted:
            raise NotRtspError(f"it answered {data[at : at + 16]!r}, which is not RTSP")
        found = _NEXT.search(data, at + 1)
        # "RTSP/" may lie across two chunks: keep what may begin it
        after = found.start() if found else max(at + 1, len(data) - len(_STATUS) + 1)
        self.junk_bytes += after - at
        self._junk_run += after - at
        if self._junk_run > MAX_JUNK_BYTES:
            raise BadRtspError(f"more than {MAX_JUNK_BYTES} bytes that are neither RTSP nor RTP")
        return after


def _read_head(head: bytes) -> tuple[bytes, int]:
    """Return start line and headers as aiortsp's parser needs them, and the size of the body."""
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    first, *rest = re.sub(r"\r?\n[ \t]+", " ", text).splitlines() or [""]
    if first.startswith("RTSP/"):
        first = _status_line(first)
    size = 0
    lines = [first]
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            continue  # not a header: cameras add stray lines, and nothing depends on them
        kind = name.strip().lower()
        if kind == "content-length":
            size = _number(value, "Content-Length", MAX_BODY_BYTES)
        elif kind == "cseq":
            lines.append(f"CSeq: {_number(value, 'CSeq', 2**31)}")
        else:
            lines.append(f"{name.strip()}: {value.strip()}")
    if size:
        lines.append(f"Content-Length: {size}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode(), size


def _status_line(line: str) -> str:
    _, status, *reason = [*line.split(None, 2), ""]
    if not (status.isascii() and status.isdigit() and len(status) == len("200")):
        raise BadRtspError(f"unreadable status line {line[:40]!r}")
    return f"RTSP/1.0 {status} {' '.join(reason).strip() or '-'}"


def _number(value: str, name: str, most: int) -> int:
    digits = value.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(most))):
        raise BadRtspError(f"{name} is {digits[:20]!r}, not a number")
    if int(digits) > most:
        raise BadRtspError(f"{name} is {digits}, at most {most} is taken")
    return int(digits)

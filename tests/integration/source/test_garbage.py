"""Whatever a server sends, the connection takes it or ends; nothing is raised into the loop."""

import asyncio
import random

import pytest

from serverproxy.core.rtspurl import SourceUrl
from serverproxy.net.source.connection import SourceConnection

PIECES = [
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nCSeq: 1\r\nSession\r\n: x\r\n\r\n",
    b"RTSP/1.0 401 \xff\r\nWWW-Authenticate: Digest\r\nCSeq: 1\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n",
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    b"OPTIONS \r\n\r\n",
    b"PLAY_NOTIFY x RTSP/2.0\r\n\r\n",
    b"TEARDOWN x RTSP/1.0\r\n\r\n",
    b"$\x00\x00\x04abcd",
    b"$\x07\xff\xff",
    b"$",
    b"RTSP/",
    b"\r\n",
    b" \tfolded\r\n",
]


class Sewer(asyncio.Transport):
    """A transport that swallows what is written and notes its end."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert data

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True


@pytest.mark.parametrize("seed", range(200))
async def test_garbage_ends_the_connection_at_most(seed: int) -> None:
    dice = random.Random(seed)
    lost: list[str] = []
    url = SourceUrl.parse("rtsp://camera/live")
    connection = SourceConnection(url, None, tls=None, timeout=1.0, on_lost=lost.append)
    connection.binary_handlers[0] = len
    transport = Sewer()
    connection.connection_made(transport)
    connection.data_received(PIECES[0])
    for _ in range(40):
        if transport.ended:
            break
        piece = bytearray(dice.choice(PIECES))
        if piece and dice.random() < 0.3:
            piece[dice.randrange(len(piece))] = dice.randrange(256)
        connection.data_received(bytes(piece))
    connection.connection_lost(None)
    assert len(lost) == 1
    assert connection.gone.done()

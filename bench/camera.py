"""The load: an RTSP server over TCP that sends H.264 of one exact rate with the time in it.

    .venv/bin/python -m bench.camera [--kilobits 2000] [--pacing burst|even]

25 pictures a second, all of one size, a keyframe each second. `burst` sends a picture at once, as
encoders do; `even` spreads its packets over the 40 ms. No decoder could show it: a proxy need not.
Standard output: `READY URL`.
"""

import argparse
import random
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from tests.support.processes import Process
from tests.support.sources import ROOT

Pacing = Literal["burst", "even"]
RATE = 25
PAYLOAD_BYTES = 1388
_FU_A, _IDR, _SLICE, _START = 0x7C, 5, 1, 0x80
_HEAD = struct.Struct("!BBHBBHIIBBQ")
"""Interleaved frame, RTP header, FU indicator, FU header, and the time of sending."""
_RTP_BYTES = 12
_STAMP = struct.Struct("!Q")
_FILL = random.Random(1).randbytes(PAYLOAD_BYTES)
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=bench\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track0\r\n"
)


def stamp(packet: bytes) -> int:
    """Return when the camera sent an RTP packet, in nanoseconds of Unix time; it names it, too."""
    sent: int = _STAMP.unpack_from(packet, _RTP_BYTES + 2)[0]
    return sent


class Camera(Process):
    """The load as a process; `url` waits until it listens."""

    def __init__(self, folder: Path, kilobits: int, pacing: Pacing = "burst") -> None:
        argv = [sys.executable, "-m", "bench.camera"]
        argv += ["--kilobits", str(kilobits), "--pacing", pacing]
        super().__init__(argv, folder / "camera.log", {"PYTHONPATH": str(ROOT)})
        self._url = ""

    @property
    def url(self) -> str:
        self._url = self._url or self.expect(r"^READY (\S+)", 30).group(1)
        return self._url


class _Sender:
    """Sends to one client until its connection ends."""

    def __init__(self, link: socket.socket, kilobits: int, pacing: Pacing) -> None:
        self._link, self._pacing = link, pacing
        self._picture_bytes = kilobits * 125 // RATE
        self._seq = 0

    def run(self) -> None:
        began, number = time.monotonic(), 0
        with suppress(OSError):
            while True:
                self._wait(began + number / RATE)
                packets = self._packets(number)
                if self._pacing == "burst":
                    self._link.sendall(b"".join(self._stamped(one) for one in packets))
                else:
                    for at, one in enumerate(packets):
                        self._wait(began + (number + at / len(packets)) / RATE)
                        self._link.sendall(self._stamped(one))
                number += 1

    @staticmethod
    def _wait(due: float) -> None:
        if (left := due - time.monotonic()) > 0:
            time.sleep(left)

    def _packets(self, number: int) -> list[tuple[int, int, bool, int]]:
        """Payload size, FU header, marker and RTP timestamp of each packet of a picture."""
        kind = _SLICE if number % RATE else _IDR
        whole, rest = divmod(self._picture_bytes, PAYLOAD_BYTES)
        sizes = [PAYLOAD_BYTES] * whole + ([max(rest, 16)] if rest else [])
        clock = number * 90_000 // RATE
        return [
            (size, kind | (0 if at else _START), at == len(sizes) - 1, clock)
            for at, size in enumerate(sizes)
        ]

    def _stamped(self, packet: tuple[int, int, bool, int]) -> bytes:
        size, header, marker, clock = packet
        self._seq = (self._seq + 1) & 0xFFFF
        head = _HEAD.pack(
            *(0x24, 0, _RTP_BYTES + size, 0x80, 96 | marker << 7, self._seq),
            *(clock & 0xFFFFFFFF, 0x5EED, _FU_A, header, time.time_ns()),
        )
        return head + _FILL[: size - 10]


def _serve(link: socket.socket, url: str, kilobits: int, pacing: Pacing) -> None:
    """Answer the requests of one client; what it sends besides is skipped."""
    stream = link.makefile("rb")
    with suppress(OSError, ValueError), link:
        while line := stream.readline():
            if line[:1] == b"$":  # RTCP of the client; its bytes may hold a newline
                head = line + stream.read(max(0, 4 - len(line)))
                stream.read(max(0, 4 + int.from_bytes(head[2:4]) - len(head)))
                continue
            method, cseq = line.split()[0].decode(), "0"
            while (header := stream.readline()) not in (b"\r\n", b""):
                name, _, value = header.decode().partition(":")
                cseq = value.strip() if name.lower() == "cseq" else cseq
            link.sendall(_answer(method, cseq, url).encode())
            if method == "PLAY":
                sender = _Sender(link, kilobits, pacing)
                threading.Thread(target=sender.run, daemon=True).start()


def _answer(method: str, cseq: str, url: str) -> str:
    extra = {
        "OPTIONS": "Public: DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n",
        "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Base: {url}/\r\n"
        f"Content-Length: {len(_SDP)}\r\n",
        "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n",
    }.get(method, "")
    body = _SDP if method == "DESCRIBE" else ""
    return f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nSession: 1\r\n{extra}\r\n{body}"


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kilobits", type=int, default=2000, help="kbit/s of RTP payload")
    parser.add_argument("--pacing", choices=("burst", "even"), default="burst")
    args = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtsp://127.0.0.1:{server.getsockname()[1]}/live"
        print(f"READY {url}", flush=True)
        while True:
            link, _ = server.accept()
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            arguments = (link, url, args.kilobits, args.pacing)
            threading.Thread(target=_serve, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()

"""Join to first packet: a player opens a channel at a client proxy that is not in it yet.

    .venv/bin/python -m bench.join [--length TIMES]

GStreamer's RTSP server as the source, H.264 with a keyframe every 10 s, everything on loopback. The
time begins before the player connects and ends with the first RTP packet: connection, DESCRIBE
(which joins: Join, Offer, probes, Attach), SETUP, PLAY over interleaved TCP. Joins come at all
phases of the 10 s. Then a second player opens the same channel at the same node.
"""

import time
from dataclasses import dataclass

from bench.figures import Figure, at_most, main, quantile
from bench.stage import folder
from tests.support.capture import rtp_packet
from tests.support.daemons import ClientProxy
from tests.support.fleet import CHANNEL, Fleet
from tests.support.processes import BenchError
from tests.support.rtsp_client import RtspClient
from tests.support.sources import GstOptions, GstSource

JOINS = 20.0
P95_MS = 300.0
_KEYFRAME_EVERY = 10.0
_PAUSE = 0.7
"""Seconds between two joins: 20 of them pass the 10 s, and no keyframe meets all of them."""
_PATIENCE = 20.0
_FU_A, _START, _IDR, _SPS = 28, 0x80, 5, 7


@dataclass
class _First:
    """Notes the first RTP packet."""

    at: float | None = None
    nal: int = 0

    def take(self, _kind: str, is_rtcp: bool, data: bytes) -> None:
        if not is_rtcp and self.at is None:
            self.at = time.monotonic()
            payload = data[len(data) - rtp_packet(data, 0).size :]
            self.nal = payload[0] & 31
            if self.nal == _FU_A and payload[1] & _START:
                self.nal = payload[1] & 31

    @property
    def is_keyframe(self) -> bool:
        return self.nal in (_IDR, _SPS)


def measure(joins: float = JOINS) -> list[Figure]:
    """Return the figures of the first and of the second player of each node."""
    first: list[float] = []
    second: list[float] = []
    keyframes = 0
    options = GstOptions(video="sparse", audio=None)
    with folder() as path, GstSource(path, options) as source, Fleet(path, source.url, 0) as fleet:
        fleet.clients += [ClientProxy(path, fleet.server.overlay) for _ in range(int(joins))]
        for client in fleet.clients:
            client.wait_listening()
        time.sleep(_KEYFRAME_EVERY)  # a keyframe has come since the server proxy began to pull
        for client in fleet.clients:
            for taken in (first, second):
                milliseconds, starts = _play(client)
                taken.append(milliseconds)
                keyframes += starts
            time.sleep(_PAUSE)
    return [
        at_most("join to first packet, p95", quantile(first, 95), P95_MS, "ms", 0),
        Figure("join to first packet, p50, largest", _pair(quantile(first, 50), max(first))),
        Figure("second player on a node, p50, largest", _pair(quantile(second, 50), max(second))),
        Figure("first packet begins a keyframe", f"{keyframes} of {len(first) + len(second)}"),
    ]


def _play(client: ClientProxy) -> tuple[float, bool]:
    """Milliseconds until the first RTP packet, and whether a picture can start with it."""
    first, url = _First(), client.url(CHANNEL)
    began = time.monotonic()
    with RtspClient(url, first.take) as player:
        for media in player.describe():
            player.setup(media)
        player.ask("PLAY", player.base, {"Range": "npt=0.000-"})
        while first.at is None:
            if time.monotonic() - began > _PATIENCE:
                raise BenchError(f"no packet from {url} in {_PATIENCE} s")
            player.poll(1)
        player.send_request("TEARDOWN", player.base)
    return (first.at - began) * 1e3, first.is_keyframe


def _pair(middle: float, largest: float) -> str:
    return f"{middle:.0f} ms, {largest:.0f} ms"


if __name__ == "__main__":
    main(measure, __doc__, JOINS)

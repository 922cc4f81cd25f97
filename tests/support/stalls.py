"""Many players' sockets in one process, and for how long a fault holds them up.

    viewers = Viewers(tmp_path, [Seat(client.url("cam"), "udp") for client in clients])
    viewers.wait_playing()
    at = time.monotonic()
    client.kill()
    ...
    stalls = [stall(one, at) for one in viewers.stop()]

`python -m tests.support.stalls SPEC` is the process: it stamps each packet where a player would
read it, on the clock that all processes of the machine share.
"""

import json
import math
import pickle
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from tests.support.capture import Capture, RtpPacket
from tests.support.nursery import enter
from tests.support.processes import Process
from tests.support.rtsp_client import ClosedError, RtspClient, Transport
from tests.support.sources import ROOT

CLOCK_RATES = {"video": 90_000, "audio": 48_000}
"""Of the RTP timestamps of `GstSource`."""
WINDOW = 1.0
"""Seconds after a fault in which a stall counts as its own."""
_KEEP_ALIVE = 20.0
_PATIENCE = 60.0
"""Seconds for an answer: how long it takes is measured, not judged here."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a player sits and what it opens."""

    url: str
    transport: Transport
    namespace: str = ""
    """Network namespace; "": the test's own."""
    after: float = 0.0
    """Seconds after the start of all at which this player opens its URL."""


class Viewers(Process):
    """Players that record every packet with its time; `stop` ends them."""

    def __init__(self, folder: Path, seats: Sequence[Seat]) -> None:
        number = sum(1 for _ in folder.glob("viewers-*.log"))
        self._out = folder / f"viewers-{number}.pickle"
        spec = {"seats": [asdict(seat) for seat in seats], "out": str(self._out)}
        argv = [sys.executable, "-m", "tests.support.stalls", json.dumps(spec)]
        super().__init__(argv, folder / f"viewers-{number}.log", {"PYTHONPATH": str(ROOT)})

    def wait_playing(self, timeout: float = 60.0) -> None:
        """Wait until each of them has had a packet of every track."""
        self.expect("^PLAYING$", timeout)

    def stop(self) -> list[Capture]:
        """Let them leave; return what they got, in the order of the seats."""
        self.write("stop")
        assert self.wait(60) == 0, self.tail()
        with self._out.open("rb") as file:
            captures: list[Capture] = pickle.load(file)
        return captures


def at(capture: Capture, packet: RtpPacket) -> float:
    """Return when a packet was delivered, on `time.monotonic` of this machine."""
    return capture.began + packet.at


def stall(capture: Capture, fault_at: float, window: float = WINDOW) -> float:
    """Return the longest wait for a packet that a fault at `fault_at` caused, in seconds.

    The longest gap between two deliveries of a track, less the gap of their capture times, as
    the RTP timestamps have it. What began or ended within `window` after the fault counts whole;
    a track that has ended by then stalls for ever.
    """
    return max(_stall(capture, kind, fault_at, fault_at + window) for kind in CLOCK_RATES)


def _stall(capture: Capture, kind: str, begin: float, end: float) -> float:
    packets = capture.rtp.get(kind, [])
    if not packets or at(capture, packets[-1]) < end:
        return math.inf
    longest = 0.0
    for before, after in pairwise(packets):
        if at(capture, after) >= begin and at(capture, before) <= end:
            ticks = (after.timestamp - before.timestamp) & 0xFFFFFFFF
            captured = (ticks - (1 << 32) if ticks >> 31 else ticks) / CLOCK_RATES[kind]
            longest = max(longest, after.at - before.at - captured)
    return longest


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that at least `share` (0 to 1) of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class _Player(threading.Thread):
    """One session, until `over` is set or the server closes it."""

    def __init__(self, seat: Seat, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.seat, self.over, self.capture = seat, over, Capture()
        self.tracks = 0
        self.error = ""

    def run(self) -> None:
        time.sleep(self.seat.after)
        self.capture.began = time.monotonic()
        try:
            if self.seat.namespace:
                enter(self.seat.namespace)
            with RtspClient(
                self.seat.url,
                self.capture.take,
                transport=self.seat.transport,
                patience=_PATIENCE,
            ) as client:
                self._play(client)
        except (ClosedError, ConnectionError) as error:
            self.capture.closed = time.monotonic() - self.capture.began
            self.error = str(error)
        except Exception as error:  # told to the test, which is another process
            self.error = repr(error)

    def _play(self, client: RtspClient) -> None:
        tracks = client.describe()
        for media in tracks:
            client.setup(media)
        client.ask("PLAY", client.base, {"Range": "npt=0.000-"})
        self.tracks = len(tracks)
        keep_alive = time.monotonic() + _KEEP_ALIVE
        while not self.over.is_set():
            client.poll(0.2)
            if time.monotonic() > keep_alive:
                keep_alive += _KEEP_ALIVE
                client.send_request("GET_PARAMETER", client.base)
        with suppress(OSError):
            client.send_request("TEARDOWN", client.base)

    @property
    def plays(self) -> bool:
        return 0 < self.tracks == len(self.capture.rtp)


def main() -> None:
    spec = json.loads(sys.argv[1])
    over = threading.Event()
    players = [_Player(Seat(**seat), over) for seat in spec["seats"]]
    for player in players:
        player.start()
    while not all(player.plays for player in players):
        for player in players:
            if player.error:
                sys.exit(f"{player.seat}: {player.error}")
        time.sleep(0.02)
    print("PLAYING", flush=True)
    sys.stdin.readline()
    over.set()
    for player in players:
        player.join(10)
        if player.error:
            print(player.seat, player.error, flush=True)
    Path(spec["out"]).write_bytes(pickle.dumps([player.capture for player in players]))


if __name__ == "__main__":
    main()

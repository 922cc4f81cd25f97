"""What leaves the server proxy, as a multiple of the stream, with 1 and with 10 viewers.

    .venv/bin/python -m bench.egress [--length SECONDS]

Two stripes, 2 Mbit/s, over 30 s after the last join, from the server proxy's own counters (a test
holds them against the kernel's). Overhead is frame headers, heartbeats and control messages.
"""

import time

from bench.figures import Figure, at_most, main
from bench.stage import Counters, stage
from tests.support.fleet import Fleet

SECONDS = 30.0
STREAM, ALL = 1.02, 1.05
_VIEWERS = (1, 10)


def measure(seconds: float = SECONDS) -> list[Figure]:
    """Return two figures for each number of viewers."""
    figures: list[Figure] = []
    with stage() as fleet:
        for viewers in _VIEWERS:
            fleet.add(viewers - len(fleet.clients))
            stream, everything = _ratios(fleet, seconds)
            plural = "viewer" if viewers == 1 else "viewers"
            name = f"out of the server proxy / stream, {viewers} {plural}"
            figures += [
                at_most(f"{name}: RTP and RTCP", stream, STREAM, digits=3),
                at_most(f"{name}: with all overhead", everything, ALL, digits=3),
            ]
    return figures


def _ratios(fleet: Fleet, seconds: float) -> tuple[float, float]:
    """Stream bytes, and all bytes, sent for each byte of the source."""
    fleet.settle()
    counters = Counters(fleet.server)
    time.sleep(seconds)
    counters.stop()
    source = counters.grown("source_bytes_total")
    sent = counters.grown("sent_bytes_total")
    return sent / source, (sent + counters.grown("overhead_bytes_total")) / source


if __name__ == "__main__":
    main(measure, __doc__, SECONDS)

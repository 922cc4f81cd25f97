"""Control bytes per stream byte, per node, in the steady state of a 2 Mbit/s stream.

    .venv/bin/python -m bench.control [--length SECONDS]

Four client proxies, two stripes. Counted is what a node sends besides the stream and its frame
headers: heartbeats to parents and children, reports, clock; divided by the stream that it receives.
"""

import time

from bench.figures import Figure, at_most, main
from bench.stage import Counters, stage

NODES = 4
SECONDS = 20.0
SHARE = 1.0
"""Percent."""
_KINDS = ("heartbeat", "control")


def measure(seconds: float = SECONDS) -> list[Figure]:
    """Return the share of the node that sends most, and of each kind."""
    with stage() as fleet:
        fleet.add(NODES)
        fleet.settle()
        all_counters = [Counters(client) for client in fleet.clients]
        time.sleep(seconds)
        for counters in all_counters:
            counters.stop()
    shares = [
        [
            100 * counters.grown("overhead_bytes_total", kind=kind)
            / counters.grown("received_bytes_total")
            for kind in _KINDS
        ]
        for counters in all_counters
    ]  # fmt: skip
    worst = max(shares, key=sum)
    return [
        at_most("control bytes / stream bytes, worst node", sum(worst), SHARE, "%", 2),
        Figure("of these: heartbeats, other messages", f"{worst[0]:.2f} %, {worst[1]:.2f} %"),
    ]


if __name__ == "__main__":
    main(measure, __doc__, SECONDS)

"""Memory of a client proxy: idle, and as a node of a 2 Mbit/s stream.

    .venv/bin/python -m bench.memory [--length SECONDS]

Resident set as the kernel counts it, shared pages of the interpreter included. Idle: started, its
ports open, joined to nothing. The node relays one of two stripes to a child and holds 15 s
(`log_time`) of the stream by then.
"""

import time

from bench.figures import Figure, at_most, main
from bench.stage import resident_megabytes, stage
from tests.support.daemons import ClientProxy

SECONDS = 20.0
IDLE_MB = 64.0


def measure(seconds: float = SECONDS) -> list[Figure]:
    """Return the figures."""
    with stage() as fleet:
        idle = ClientProxy(fleet.folder, fleet.server.overlay)
        idle.wait_listening()
        node, _ = fleet.add(2)
        time.sleep(seconds)
        figures = [
            at_most("memory of an idle client proxy", resident_megabytes(idle), IDLE_MB, "MB", 1),
            Figure(
                f"memory of a node, {seconds:g} s after its join, 2 Mbit/s",
                f"{resident_megabytes(node):.1f} MB",
            ),
            Figure("memory of the server proxy then", f"{resident_megabytes(fleet.server):.1f} MB"),
        ]
        idle.stop()
    return figures


if __name__ == "__main__":
    main(measure, __doc__, SECONDS)

"""CPU of one relay with four children, per GB that it sends.

    .venv/bin/python -m bench.relay [--length SECONDS]

One stripe, so that the node relays the whole stream, and merges it too, without a player. 20 Mbit/s
in bursts of 25 a second, then 2 Mbit/s the same way and evenly paced. A wake-up is a voluntary
context switch of the process. CPU time is the process's own: that the camera, the server proxy and
the four children share the cores does not count, but cold caches do.
"""

import time

from bench.camera import Pacing
from bench.figures import Figure, at_most, main
from bench.stage import Counters, stage, usage
from tests.support.fleet import Fleet
from tests.support.processes import BenchError

CHILDREN = 4
SECONDS = 20.0
CPU_PER_GB, WAKEUP_US = 3.0, 200.0
_WARM_UP = 3.0


def measure(seconds: float = SECONDS) -> list[Figure]:
    """Return the figures of three loads; the budget per GB is for the first."""
    heavy = f"relay, {CHILDREN} children, 20 Mbit/s, burst"
    per_gb, per_wakeup, rate = _relay(seconds, 20_000, "burst")
    figures = [
        at_most(f"{heavy}: CPU per GB sent", per_gb, CPU_PER_GB, "s"),
        at_most(f"{heavy}: CPU per wake-up", per_wakeup, WAKEUP_US, "µs", 0),
        Figure(f"{heavy}: wake-ups a second", f"{rate:.0f}"),
    ]
    pacings: tuple[Pacing, ...] = ("burst", "even")
    for pacing in pacings:
        light = f"relay, {CHILDREN} children, 2 Mbit/s, {pacing}"
        per_gb, per_wakeup, rate = _relay(seconds, 2_000, pacing)
        figures += [
            Figure(f"{light}: CPU per GB sent", f"{per_gb:.2f} s"),
            at_most(f"{light}: CPU per wake-up", per_wakeup, WAKEUP_US, "µs", 0),
            Figure(f"{light}: wake-ups a second", f"{rate:.0f}"),
        ]
    return figures


def _relay(seconds: float, kilobits: int, pacing: Pacing) -> tuple[float, float, float]:
    """CPU seconds per GB sent, microseconds per wake-up, wake-ups a second."""
    with stage(stripes=1, kilobits=kilobits, pacing=pacing) as fleet:
        (relay,) = fleet.add(1, arguments=["--max-children", str(CHILDREN)])
        fleet.add(CHILDREN, arguments=["--max-children", "0"])
        fleet.settle()
        _check(fleet)
        time.sleep(_WARM_UP)
        counters, before = Counters(relay), usage(relay)
        time.sleep(seconds)
        after = usage(relay)
        counters.stop()
        fleet.assert_nothing_lost()
    cpu, wakeups = after.cpu - before.cpu, after.wakeups - before.wakeups
    gigabytes = counters.grown("relayed_bytes_total") / 1e9
    return cpu / gigabytes, cpu / wakeups * 1e6, wakeups / seconds


def _check(fleet: Fleet) -> None:
    (tree,) = fleet.trees()
    relay = fleet.node(fleet.clients[0])
    if sorted(tree.values()) != sorted(["root", *[relay] * CHILDREN]):
        raise BenchError(f"the relay has not got all children: {tree}")


if __name__ == "__main__":
    main(measure, __doc__, SECONDS)

"""Delay added per hop: a chain of five client proxies, 2 Mbit/s, one stripe, one slot each.

    .venv/bin/python -m bench.hops [--length SECONDS]

A player on each node; the kernel notes when each packet arrives at it. A hop is the time between
the arrivals of the same packet at the players of two neighbours, so that the way to the player
cancels out. `burst` sends 25 pictures a second at once, `even` one packet after the other. Camera,
six daemons and the players share the machine's cores.
"""

import time
from itertools import pairwise

from bench.camera import Pacing
from bench.figures import Figure, at_most, main, quantile
from bench.players import StampedPlayer, watch
from bench.stage import Counters, stage
from tests.support.daemons import ClientProxy
from tests.support.fleet import CHANNEL, Fleet
from tests.support.processes import BenchError

CHAIN = 5
SECONDS = 20.0
P50_MS, P99_MS = 0.5, 3.0
_WARM_UP = 3.0


def measure(seconds: float = SECONDS) -> list[Figure]:
    """Return the figures with pictures sent at once, then with packets sent evenly."""
    return [*_chain(seconds, "burst"), *_chain(seconds, "even")]


def _chain(seconds: float, pacing: Pacing) -> list[Figure]:
    with stage(stripes=1, pacing=pacing) as fleet:
        for _ in range(CHAIN):
            fleet.add(1, arguments=["--max-children", "1"])
        fleet.settle()
        nodes = _in_order(fleet)
        players = [StampedPlayer(node.url(CHANNEL)) for node in nodes]
        for player in players:
            player.play()
        time.sleep(_WARM_UP)
        for player in players:
            player.take()
            player.arrivals.clear()
        own = Counters(nodes[-1])
        watch(players, seconds)
        own.stop()
        for player in players:
            player.close()
    return _figures([player.arrivals for player in players], own, pacing)


def _in_order(fleet: Fleet) -> list[ClientProxy]:
    """Return the nodes from the server proxy down."""
    by_node, (tree,) = fleet.by_node(), fleet.trees()
    below = {parent: node for node, parent in tree.items()}
    chain, at = [], "root"
    while at in below:
        at = below[at]
        chain.append(by_node[at])
    if len(chain) != CHAIN:
        raise BenchError(f"this is no chain of {CHAIN}: {tree}")
    return chain


def _figures(arrivals: list[dict[int, int]], own: Counters, pacing: str) -> list[Figure]:
    common = sorted(set[int].intersection(*(set(one) for one in arrivals)))
    hops = [(b[p] - a[p]) / 1e6 for a, b in pairwise(arrivals) for p in common]
    first = [(arrivals[0][packet] - packet) / 1e6 for packet in common]
    whole = [(arrivals[-1][packet] - packet) / 1e6 for packet in common]
    counted = own.grown("delay_seconds_sum") / max(1, own.grown("delay_seconds_count")) * 1e3
    name = f"delay per hop, 2 Mbit/s, {pacing}"
    spread = f"{quantile(first, 50):.2f} / {quantile(first, 99):.2f} ms"
    through = f"{quantile(whole, 50):.2f} / {quantile(whole, 99):.2f} ms"
    return [
        at_most(f"{name}, p50", quantile(hops, 50), P50_MS, "ms"),
        at_most(f"{name}, p99", quantile(hops, 99), P99_MS, "ms"),
        Figure(f"camera to the player of node 1, p50 / p99, {pacing}", spread),
        Figure(f"camera to the player of node {CHAIN}, p50 / p99, {pacing}", through),
        Figure(f"`stripecast_delay_seconds` of node {CHAIN}, mean, {pacing}", f"{counted:.2f} ms"),
    ]


if __name__ == "__main__":
    main(measure, __doc__, SECONDS)

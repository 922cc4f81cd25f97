"""What size, depth, loss, distance and failures at one moment do to an overlay.

Rows S11, S29 to S35, S37, S41 and Z43 of the papers' checklist: the parts are `size`, `loss`,
`killed`, `shape` (SpreadIt's figure 6) and, by depth in one of these shapes, `hops`.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.sim.daemons import Source
from bench.sim.hops import Hops, count
from bench.sim.network import Weather
from bench.sim.runs import Plan, Summary, carry_out, grow, summary
from bench.sim.watch import Look

Row = dict[str, float | str]
Say = Callable[[str], None]

NEAR = Weather(delay=(0.004, 0.006))
"""Hosts of one site. The daemons' own time is no part of it: docs/performance.md has that."""
TO_SOURCE = 0.0375
"""Seconds from a far source to the site, besides the way in it: 40 ms one way to a node."""
ONE_STRIPE: dict[str, object] = {"stripes": 1}
SOURCE = Source(packets_per_second=10.0, keyframe_every=20)
MOST_LIVES = 20_000.0
"""Nodes times seconds of churn: what a run may cost."""
ORPHAN_TOO_LONG = 5.0
COLUMNS = (
    "part", "case", "seed", "nodes", "churn", "loss", "killed", "depth", "delivered", "lost",
    "delay_mean", "delay_most", "copies", "parents_p50", "parents_p95", "first_p50", "first_p95",
    "recovery_p50", "recovery_p95", "recovery_max", "oldest_orphan", "unplaced", "height",
    "height_bound", "messages", "still_moving",
)  # fmt: skip
"""Of the CSV. `loss` and `killed` are shares, times seconds, `copies` what leaves the source for
each of its packets, `messages` control messages at the server proxy for each node and second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """How much is measured: as it stands here, three to five minutes of a core."""

    seed: int = 1
    seconds: float = 60.0
    """Of each run, besides growing and settling."""
    sizes: tuple[int, ...] = (10, 30, 100, 300, 1000)
    nodes: int = 100
    """In runs with losses, and with nodes killed at one moment."""
    losses: tuple[float, ...] = (0.0, 0.01, 0.03)
    killed: tuple[float, ...] = (0.1, 0.25, 0.5)
    chain: int = 15
    """Nodes of each shape: SpreadIt's "as high as 15"."""
    seeds: int = 3
    """Runs with nodes killed at one moment, for each share."""


def measure(sweep: Sweep, say: Say) -> Iterator[Row]:
    """Carry out all parts; yield rows of figures, and say what is not as it should be."""
    for part in (_sizes, _losses, _killed, _shapes, _hops):
        for row in part(sweep):
            say(_sentence(row))
            yield row


def write(rows: list[Row], file: Path) -> None:
    """Write the rows as CSV."""
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            short = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
            writer.writerow(short)


def faults(row: Row) -> list[str]:
    """Return what in a row should not be."""
    found = []
    if row.get("lost"):
        found.append(f"{row['lost']} packets lost")
    if float(row.get("oldest_orphan", 0)) > ORPHAN_TOO_LONG:
        found.append(f"{row['oldest_orphan']:.1f} s without a parent")
    if row.get("unplaced"):
        found.append(f"{row['unplaced']} nodes never had their parents")
    if "height_bound" in row and float(row["height"]) > float(row["height_bound"]) + 2:
        found.append(f"height {row['height']}, the bound is {row['height_bound']}")
    if row.get("still_moving"):
        found.append("parents change when nothing has happened for long")
    return found


def _sentence(row: Row) -> str:
    """Return a line of progress."""
    shown = [f"{row['part']} {row['case']}, seed {row['seed']}:"]
    for name in ("depth", "height", "copies", "lost", "delay_mean", "recovery_max"):
        if name in row:
            value = row[name]
            shown.append(f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}")
    return " ".join([*shown, *(f"- {fault.upper()}" for fault in faults(row))])


# --- whole overlays


def _sizes(sweep: Sweep) -> Iterator[Row]:
    """One in a hundred nodes is killed each second, and as many join."""
    for nodes in sweep.sizes:
        plan = Plan(
            nodes=nodes,
            seconds=min(sweep.seconds, MOST_LIVES / nodes),
            seed=sweep.seed,
            joins_per_second=max(20.0, nodes / 15),
            churn=nodes / 100,
        )
        yield _row("size", f"{nodes} nodes", plan)


def _losses(sweep: Sweep) -> Iterator[Row]:
    """Nobody goes. Heartbeats are sent one by one, and are lost like all else."""
    for loss in sweep.losses:
        weather, seconds = Weather(loss=loss), sweep.seconds / 2
        plan = Plan(
            nodes=sweep.nodes, seconds=seconds, seed=sweep.seed, churn=0.0, weather=weather,
            heartbeats=True,
        )  # fmt: skip
        yield _row("loss", f"{loss:.0%}", plan)


def _killed(sweep: Sweep) -> Iterator[Row]:
    for share in sweep.killed:
        for seed in range(sweep.seed, sweep.seed + sweep.seeds):
            plan = Plan(
                nodes=sweep.nodes, seconds=sweep.seconds / 2, seed=seed, churn=0.0,
                correlated=share,
            )  # fmt: skip
            yield _row("killed", f"{share:.0%}", plan)


def _row(part: str, case: str, plan: Plan) -> Row:
    world = carry_out(plan)
    found = summary(plan, world, world.finish())
    grown = plan.nodes / plan.joins_per_second
    return {
        "part": part,
        "case": case,
        "churn": plan.churn,
        "loss": plan.weather.loss,
        "killed": plan.correlated,
        "messages": _messages([look for look in world.results.looks if look.at > grown]),
        **_columns(found),
    }


def _columns(found: Summary) -> Row:
    """Return the figures of a summary that are columns here."""
    return {name: getattr(found, name) for name in COLUMNS if hasattr(found, name)}


def _messages(looks: list[Look]) -> float:
    """Return the control messages at the server proxy for each node and second."""
    of_nodes = sum(look.nodes for look in looks[1:])
    return (looks[-1].root_messages - looks[0].root_messages) / max(1, of_nodes)


# --- shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the nodes of one site hang together."""

    name: str
    max_children: int | str
    server: dict[str, object] = field(default_factory=lambda: ONE_STRIPE)

    def plan(self, sweep: Sweep) -> Plan:
        """Return the run: nobody goes."""
        return Plan(
            nodes=sweep.chain,
            seconds=sweep.seconds,
            seed=sweep.seed,
            churn=0.0,
            weather=NEAR,
            source=SOURCE,
            heartbeats=True,
            max_children=(self.max_children,),
            server=self.server,
        )


CHAIN = Shape(name="chain", max_children=1)
SHAPES = (
    Shape(name="star", max_children=0, server=ONE_STRIPE | {"children_per_stripe": 64}),
    Shape(name="local tree", max_children="auto"),
    Shape(name="local trees, two stripes", max_children="auto", server={"stripes": 2}),
    CHAIN,
)


def _shapes(sweep: Sweep) -> Iterator[Row]:
    for shape in SHAPES:
        for where, to_source in (("near", None), ("far", TO_SOURCE)):
            plan = replace(shape.plan(sweep), to_source=to_source)
            hops = count(grow(plan), plan.seconds)
            yield {
                **_about(plan, hops),
                "part": "shape",
                "case": f"{shape.name}, {where}",
                "copies": hops.copies,
                "height": max(hops.levels),
            }


def _hops(sweep: Sweep) -> Iterator[Row]:
    """Take the chain again, by depth, with losses on each link."""
    for loss in sweep.losses:
        plan = CHAIN.plan(sweep)
        plan = replace(plan, seconds=3 * sweep.seconds, weather=replace(NEAR, loss=loss))
        hops = count(grow(plan), plan.seconds)
        for depth, level in sorted(hops.levels.items()):
            yield {
                **_about(plan, hops),
                "part": "hops",
                "case": f"{loss:.0%}",
                "depth": depth,
                "delivered": level.delivered,
                "lost": level.lost,
                "delay_mean": level.delay_mean,
                "delay_most": level.delay_most,
            }


def _about(plan: Plan, hops: Hops) -> Row:
    """Return what a run was, and what all of its nodes had."""
    return {
        "seed": plan.seed,
        "nodes": plan.nodes,
        "loss": plan.weather.loss,
        "delivered": hops.whole.delivered,
        "lost": hops.whole.lost,
        "delay_mean": hops.whole.delay_mean,
        "delay_most": hops.whole.delay_most,
    }

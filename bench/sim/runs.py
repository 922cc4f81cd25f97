"""Runs that can be asked for: growth, churn, correlated failures, a flash crowd."""

import csv
import gc
import io
from collections.abc import Callable
from dataclasses import dataclass, field, fields

from bench.figures import quantile
from bench.sim.daemons import Source
from bench.sim.network import Weather
from bench.sim.pages import use_huge_pages
from bench.sim.watch import Results
from bench.sim.world import Setting, World
from serverproxy.core.graph import depth_bound

SETTLE = 10.0
"""Seconds between growth, what befalls the nodes, and the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run."""

    nodes: int = 100
    seconds: float = 600.0
    """Between growth and the end."""
    seed: int = 1
    joins_per_second: float = 20.0
    """While growing."""
    churn: float = 1.0
    """Nodes a second that go, and nodes a second that join."""
    leaving: float = 0.0
    """Share of those going that leave in good order; the others are killed."""
    correlated: float = 0.0
    """Share of the nodes that are killed in one moment, in the middle of the run."""
    weather: Weather = field(default_factory=Weather)
    to_source: float | None = None
    """Seconds between the server proxy and the network, one way; None: as it comes (`weather`)."""
    source: Source = field(default_factory=Source)
    max_children: tuple[int | str, ...] = ("auto",)
    """Each node has one of these numbers of slots, whichever comes."""
    heartbeats: bool = False
    """Send each of them; else they are made up for (see bench.sim.quiet)."""
    server: dict[str, object] = field(default_factory=dict)
    """Keys of the channel's configuration."""
    client: dict[str, object] = field(default_factory=dict)
    """Keys of the client proxies' configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What one run showed. Times are seconds; p95 is of all nodes or events."""

    nodes: int
    seconds: float
    seed: int
    churn: float
    delivered: int
    lost: int
    delivery: float
    delay_mean: float
    parents_p50: float
    """From a node's start until every stripe has a parent."""
    parents_p95: float
    unplaced: int
    """Nodes that were there for `SETTLE` seconds and never had a parent in every stripe."""
    first_p50: float
    """From a node's start to the first packet delivered."""
    first_p95: float
    recovery_p50: float
    """From a parent's end until the child has another."""
    recovery_p95: float
    recovery_max: float
    stalls: int
    stall_p95: float
    stall_max: float
    oldest_orphan: float
    height: int
    height_bound: int
    root_messages: float
    """Control messages at the server proxy, a second."""
    moves: int
    still_moving: bool
    """A parent changed in the last seconds, when nothing had happened for long."""


def _nothing(_text: str) -> None:
    """Say nothing."""


def grow(plan: Plan, say: Callable[[str], None] = _nothing) -> World:
    """Let all nodes join, and settle; return the world."""
    gc.set_threshold(200_000, 20, 100)
    setting = Setting(
        seed=plan.seed,
        weather=plan.weather,
        source=plan.source,
        quiet=not plan.heartbeats,
        server=plan.server,
        client=plan.client,
    )
    world = World(setting)
    world.run(0.5)
    if plan.to_source is not None:
        world.host("root").access = plan.to_source
    for at in range(plan.nodes):
        world.at(at / plan.joins_per_second, lambda: _join(world, plan))
    _pass(world, plan.nodes / plan.joins_per_second + SETTLE, say)
    return world


def carry_out(plan: Plan, say: Callable[[str], None] = _nothing) -> World:
    """Grow, let happen what is planned, settle; return the world, to be finished."""
    world = grow(plan, say)
    for at in range(round(plan.seconds * plan.churn)):
        world.at(at / plan.churn, lambda: _replace(world, plan))
    world.at(plan.seconds / 2, lambda: _fail_together(world, plan.correlated))
    _pass(world, plan.seconds, say)
    _pass(world, SETTLE, say)
    return world


def _pass(world: World, seconds: float, say: Callable[[str], None]) -> None:
    """Let time pass and say now and then how it stands."""
    step, end = max(5.0, seconds / 20), world.now + seconds
    while world.now < end:
        world.run(min(step, end - world.now))
        use_huge_pages()  # of what has come since, too
        heights = "/".join(map(str, world.survey.heights()))
        say(f"{world.now:6.0f} s: {len(world.clients)} nodes, heights {heights}")


def _join(world: World, plan: Plan) -> None:
    world.join(max_children=world.loop.rng.choice(plan.max_children))


def _replace(world: World, plan: Plan) -> None:
    if world.clients:
        name = world.loop.rng.choice(sorted(world.clients))
        if world.loop.rng.random() < plan.leaving:
            world.leave(name)
        else:
            world.kill(name)
    _join(world, plan)


def _fail_together(world: World, share: float) -> None:
    names = sorted(world.clients)
    for name in world.loop.rng.sample(names, round(len(names) * share)):
        world.kill(name)


def summary(plan: Plan, world: World, results: Results) -> Summary:
    """Return the figures of a run."""
    records = results.records
    parents = [one.parents_after for one in records if one.parents_after is not None]
    firsts = [one.first_after for one in records if one.first_after is not None]
    stalls = [stall for one in records for stall in one.stalls]
    delivered = sum(one.delivered for one in records)
    ends = [(one.gone_at or world.now) - one.born_at for one in records]
    return Summary(
        nodes=plan.nodes,
        seconds=plan.seconds,
        seed=plan.seed,
        churn=plan.churn,
        delivered=delivered,
        lost=sum(one.lost for one in records),
        delivery=results.delivery,
        delay_mean=sum(one.delay_mean * one.delivered for one in records) / max(1, delivered),
        parents_p50=_quantile(parents, 50),
        parents_p95=_quantile(parents, 95),
        unplaced=sum(
            one.parents_after is None and life > SETTLE
            for one, life in zip(records, ends, strict=True)
        ),
        first_p50=_quantile(firsts, 50),
        first_p95=_quantile(firsts, 95),
        recovery_p50=_quantile(results.recoveries, 50),
        recovery_p95=_quantile(results.recoveries, 95),
        recovery_max=max(results.recoveries, default=0.0),
        stalls=len(stalls),
        stall_p95=_quantile(stalls, 95),
        stall_max=max(stalls, default=0.0),
        oldest_orphan=results.oldest_orphan,
        height=max((max(look.heights, default=0) for look in results.looks), default=0),
        height_bound=depth_bound(plan.nodes),
        root_messages=results.looks[-1].root_messages / world.now,
        moves=world.survey.moves,
        still_moving=world.now - world.survey.moved_at < SETTLE / 4,
    )


def _quantile(values: list[float], percent: int) -> float:
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantile(values, percent)


def as_csv(rows: list[Summary]) -> str:
    """Return the figures of several runs as CSV with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [one.name for one in fields(Summary)]
    writer.writerow(names)
    for row in rows:
        values = [getattr(row, name) for name in names]
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])
    return out.getvalue()

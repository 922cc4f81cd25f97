"""SpreadIt's matrix: each way in, with each of its add and delete policies, against our own.

One plan for all: nodes join, then some are killed or leave and others join, at the same moments.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.sim.daemons import Source
from bench.sim.runs import Plan, Summary, carry_out, summary

ADD = ("random", "round_robin", "smart_placement", "knock_down", "smart_bandwidth")
DELETE = ("root", "root_all", "grandfather", "grandfather_all")
SLOTS = ("auto", "auto", 4, 6)
SOURCE = Source(packets_per_second=10.0, keyframe_every=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """How nodes find their parents."""

    stripes: int
    join: str
    add: str = ""
    delete: str = ""

    @property
    def settings(self) -> dict[str, object]:
        """Keys of the channel."""
        keys: dict[str, object] = {"stripes": self.stripes, "join": self.join}
        if self.add:
            keys |= {"add_policy": self.add, "delete_policy": self.delete}
        return keys

    @property
    def name(self) -> str:
        """What the tables and pictures call it."""
        return f"{self.add} / {self.delete}" if self.add else self.join


def ways(stripes: tuple[int, ...]) -> Iterator[WayIn]:
    """Yield all ways in."""
    for count in stripes:
        yield WayIn(stripes=count, join="directory")
        for add in ADD:
            for delete in DELETE:
                yield WayIn(stripes=count, join="redirect", add=add, delete=delete)


Row = dict[str, object]


def measure(plan: Plan, stripes: tuple[int, ...], say: Callable[[str], None]) -> list[Row]:
    """Carry out the plan with each way in; return a row of figures for each."""
    rows: list[Row] = []
    for way in ways(stripes):
        world = carry_out(replace(plan, server={**plan.server, **way.settings}))
        found = summary(plan, world, world.finish())
        rows.append(as_row(way, found))
        say(
            f"{way.stripes} stripes, {way.name}: lost {found.lost}, height {found.height}, "
            f"parents after {found.parents_p50:.2f} s, recovered after {found.recovery_p95:.2f} s"
        )
    return rows


def as_row(way: WayIn, found: Summary) -> Row:
    """Return the figures of one way in."""
    row: Row = {"stripes": way.stripes, "join": way.join, "add": way.add, "delete": way.delete}
    return row | {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in asdict(found).items()
    }


def write(rows: list[Row], file: Path) -> None:
    """Write the rows as CSV."""
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

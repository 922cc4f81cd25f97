"""The picture of a sweep: how each figure goes with size, depth, loss and failures."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bench.sim.pictures import read

Row = dict[str, str]


def draw(file: Path, folder: Path) -> list[Path]:
    """Draw what is in the CSV of a sweep; return the files."""
    rows, drawn = read(file), folder / "sweep.png"
    picture, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    for part, draw_it in zip(
        axes.flat, (_heights, _delays, _times, _messages, _hops, _killed), strict=True
    ):
        draw_it(part, rows)
        part.set_ylim(bottom=0)
        part.legend(fontsize=8)
    picture.savefig(drawn, dpi=80, metadata={"Software": None})
    plt.close(picture)
    return [drawn]


def _of(rows: Iterable[Row], part: str) -> list[Row]:
    return [row for row in rows if row["part"] == part]


def _by_size(axis: Axes, rows: list[Row], columns: dict[str, str], title: str, unit: str) -> None:
    sizes = _of(rows, "size")
    for column, label in columns.items():
        axis.plot(
            [int(row["nodes"]) for row in sizes],
            [float(row[column]) for row in sizes],
            "x--" if column.startswith("first") else "o-",  # they mostly lie on a parent's
            label=label,
        )
    axis.set_xscale("log")
    axis.set_xlabel("nodes; 1 % of them killed each second")
    axis.set_title(title)
    axis.set_ylabel(unit)


def _heights(axis: Axes, rows: list[Row]) -> None:
    columns = {"height": "greatest in the run", "height_bound": "bound while nodes only join"}
    _by_size(axis, rows, columns, "tree height", "levels")


def _delays(axis: Axes, rows: list[Row]) -> None:
    _by_size(axis, rows, {"delay_mean": "mean"}, "packet delay", "seconds")


def _times(axis: Axes, rows: list[Row]) -> None:
    columns = {
        "parents_p50": "to a parent, median",
        "parents_p95": "to a parent, 95th percentile",
        "first_p50": "to the first packet, median",
        "first_p95": "to the first packet, 95th percentile",
    }
    _by_size(axis, rows, columns, "time from a node's start", "seconds")


def _messages(axis: Axes, rows: list[Row]) -> None:
    columns = {"messages": "in and out"}
    _by_size(axis, rows, columns, "messages at the root", "per node and second")


def _hops(axis: Axes, rows: list[Row]) -> None:
    hops = _of(rows, "hops")
    for at, loss in enumerate(dict.fromkeys(row["case"] for row in hops)):
        mine = [row for row in hops if row["case"] == loss]
        depths = [int(row["depth"]) for row in mine]
        for column, style, which in (("delay_mean", "-", "mean"), ("delay_most", ":", "latest")):
            values = [float(row[column]) for row in mine]
            label = f"{loss} loss per link, {which}"
            axis.plot(depths, values, style, color=f"C{at}", label=label)
    axis.set_title("packet delay by depth, chain")
    axis.set_xlabel("hops from the server proxy, 5 ms each")
    axis.set_ylabel("seconds")


def _killed(axis: Axes, rows: list[Row]) -> None:
    killed = _of(rows, "killed")
    for column, label in (("recovery_p50", "median"), ("recovery_p95", "95th percentile"),
                          ("recovery_max", "last orphan")):  # fmt: skip
        axis.plot(
            [100 * float(row["killed"]) for row in killed],
            [float(row[column]) for row in killed],
            "o",
            alpha=0.7,
            label=label,
        )
    axis.set_title("nodes killed in one moment")
    axis.set_xlabel("per cent of the nodes; a point for each run")
    axis.set_ylabel("seconds without a parent")

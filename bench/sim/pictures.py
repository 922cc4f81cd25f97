"""Pictures of the matrix: one for each figure, our own way in as a line across."""

import csv
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

from bench.sim.matrix import ADD, DELETE

FIGURES = {
    "loss": ("packets lost", "per cent of all that nodes should have had"),
    "delay_mean": ("packet delay", "mean of seconds from the source to the player"),
    "parents_p95": ("time to discover a parent", "seconds, 95th percentile"),
    "first_p95": ("time to the first packet", "seconds, 95th percentile"),
    "recovery_p95": (
        "transience time",
        "seconds without a parent after a failure, 95th percentile",
    ),
    "height": ("tree height", "greatest in the run"),
    "root_messages": ("messages at the root", "control messages a second"),
}
"""Title and unit by column of the CSV; `loss` is worked out."""
WIDTH = 0.2


def read(file: Path) -> list[dict[str, str]]:
    """Return the rows of a matrix."""
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def value(row: dict[str, str], column: str) -> float:
    """Return a figure of a row."""
    if column == "loss":
        return 100.0 * (1.0 - float(row["delivery"]))
    return float(row[column])


def draw(file: Path, folder: Path) -> list[Path]:
    """Draw one picture for each stripe count in the CSV; return the files."""
    rows, drawn = read(file), []
    for stripes in sorted({row["stripes"] for row in rows}):
        mine = [row for row in rows if row["stripes"] == stripes]
        drawn.append(_draw(mine, folder / f"policies-{stripes}-stripes.png", stripes))
    return drawn


def _draw(rows: list[dict[str, str]], file: Path, stripes: str) -> Path:
    ours = next(row for row in rows if row["join"] == "directory")
    by_policy = {(row["add"], row["delete"]): row for row in rows}
    picture, axes = plt.subplots(4, 2, figsize=(13, 16), layout="constrained")
    for axis, (column, (title, unit)) in zip(axes.flat, FIGURES.items(), strict=False):
        for at, delete in enumerate(DELETE):
            values = [value(by_policy[add, delete], column) for add in ADD]
            places = [place + (at - 1.5) * WIDTH for place in range(len(ADD))]
            axis.bar(places, values, WIDTH, label=delete)
        axis.axhline(value(ours, column), color="black", linestyle="--", label="directory (ours)")
        axis.set_xticks(range(len(ADD)), ADD, fontsize=8)
        axis.set_title(title)
        axis.set_ylabel(unit, fontsize=8)
        axis.set_ylim(bottom=0)
    last = axes.flat[-1]
    last.axis("off")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    last.legend(handles, labels, title="delete policy", loc="center")
    picture.suptitle(f"add and delete policies, stripes: {stripes}")
    picture.savefig(file, dpi=80, metadata={"Software": None})
    plt.close(picture)
    return file

"""One measured figure beside its budget (design, section 11), as a row of a table."""

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HEAD = ("what", "measured", "budget", "ok")


@dataclass(frozen=True, slots=True)
class Figure:
    """A row. `ok` is None where there is no budget: the figure explains another one."""

    what: str
    measured: str
    budget: str = ""
    ok: bool | None = None

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """What stands in the table."""
        verdict = {None: "", True: "yes", False: "**no**"}[self.ok]
        return self.what, self.measured, self.budget, verdict


def at_most(what: str, value: float, budget: float, unit: str = "", digits: int = 2) -> Figure:
    """Return the figure of a value that has an upper bound."""
    space = f" {unit}".rstrip()
    limit = f"≤ {budget:g}{space}"
    return Figure(what, f"{value:.{digits}f}{space}", limit, ok=value <= budget)


def quantile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least two values, none beyond the largest."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def table(figures: Sequence[Figure], head: Sequence[str] = HEAD) -> list[str]:
    """Return the lines of a Markdown table."""
    rows = [head, ["---"] * len(head), *(figure.cells for figure in figures)]
    return ["| " + " | ".join(row) + " |" for row in rows]


def main(measure: Callable[[float], list[Figure]], doc: str | None, length: float) -> None:
    """Run one benchmark as a command that takes `--length` and print its table."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--length",
        type=float,
        default=length,
        help="seconds, or how many times: what the benchmark repeats (default %(default)g)",
    )
    print("\n".join(table(measure(parser.parse_args().length))))

"""Measure everything and write the table of docs/performance.md.

    .venv/bin/python -m bench [NAME …] [--dry-run]

With names, only these are measured and the rows of the others stay. Takes about six minutes;
the machine should do nothing else.
"""

import argparse
from collections.abc import Callable

from bench import control, document, egress, hops, join, memory, place, relay
from bench.figures import Figure, at_most, table


def placing() -> list[Figure]:
    """Return the figure of `bench.place`: the worse of two and of three slots each."""
    worst = max(place.measure(10_000, 2_000, slots) for slots in (2, 3))
    return [
        at_most("placing one join, 10,000 nodes, p99", worst * 1e6, place.BUDGET * 1e6, "µs", 0)
    ]


BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {
    "egress": egress.measure,
    "control": control.measure,
    "hops": hops.measure,
    "relay": relay.measure,
    "join": join.measure,
    "memory": memory.measure,
    "place": placing,
}
"""By the name of the module."""


def main() -> None:
    """Measure in turn; each table is written as soon as it is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    if unknown := set(args.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: {', '.join(BENCHMARKS)}")
    for name in args.names or BENCHMARKS:
        others = document.Others()
        figures = BENCHMARKS[name]()
        share = others.percent()
        print(f"\n{name} (other work took {share:.0f} % of the cores meanwhile)")
        print("\n".join(table(figures)), flush=True)
        if not args.dry_run:
            document.write(name, figures, share)


if __name__ == "__main__":
    main()

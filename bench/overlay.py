"""Simulate an overlay: both daemons' own code, a virtual clock, a model of a network.

    .venv/bin/python -m bench.overlay run [--nodes 100] [--minutes 10] [--churn 1] …
    .venv/bin/python -m bench.overlay crowd [--nodes 1000]
    .venv/bin/python -m bench.overlay joins [--fan-out 3] [--height 10]
    .venv/bin/python -m bench.overlay matrix [--folder docs/results]
    .venv/bin/python -m bench.overlay sweep [--folder docs/results]

`run`: nodes join, then some go and others come, for minutes of simulated time; what the players
of all nodes were given, and how the trees stood, is printed and, with --csv FILE, written as a line
of CSV with a header. The same arguments give the same figures. `crowd`: a flash crowd, all nodes
join within one second. `joins`: the server proxy's part alone, for very many nodes. `matrix`:
SpreadIt's add and delete policies against our own way in, as CSV and as pictures. `sweep`: what
size, depth, loss, distance and failures at one moment cost, as CSV and as a picture.
A thousand nodes take 300 to 500 microseconds of a core for each second of each node.
"""

import argparse
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bench.sim import matrix, sweep
from bench.sim.daemons import Source
from bench.sim.joins import full_tree, measure
from bench.sim.network import Weather
from bench.sim.runs import Plan, Summary, as_csv, carry_out, summary

SWEEP = "sweep.csv"


def say(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


def run(plan: Plan, file: Path | None) -> Summary:
    """Carry out a run; print what it showed and write the CSV."""
    began = time.process_time()
    world = carry_out(plan, say)
    shown = summary(plan, world, world.finish())
    say(f"{time.process_time() - began:.0f} s of a core, {world.loop.events} events")
    for name, value in asdict(shown).items():
        print(f"{name:16} {value:.6g}" if isinstance(value, float) else f"{name:16} {value}")
    if file is not None:
        file.write_text(as_csv([shown]))
    return shown


def _run(args: argparse.Namespace) -> None:
    least, most = args.delay
    plan = Plan(
        nodes=args.nodes,
        seconds=args.minutes * 60,
        seed=args.seed,
        churn=args.churn,
        leaving=args.leaving,
        correlated=args.correlated,
        weather=Weather((least / 1000, most / 1000), args.jitter / 1000, args.loss / 100),
        source=Source(packets_per_second=args.packets),
        heartbeats=args.heartbeats,
        server={"placement": args.placement},
    )
    run(plan, args.csv)


def _crowd(args: argparse.Namespace) -> None:
    plan = Plan(
        nodes=args.nodes,
        seconds=20.0,
        seed=args.seed,
        joins_per_second=float(args.nodes),
        churn=0.0,
        source=Source(packets_per_second=args.packets),
    )
    run(plan, args.csv)


def _joins(args: argparse.Namespace) -> None:
    nodes = full_tree(args.fan_out, args.height)
    done = measure(nodes, stripes=args.stripes, slots=args.fan_out, say=say)
    print(
        f"{done.nodes} nodes joined, {done.refused} refused, heights {done.heights}, "
        f"{done.seconds:.1f} s of a core, {done.seconds / nodes * 1e6:.0f} microseconds each"
    )


def _matrix(args: argparse.Namespace) -> None:
    from bench.sim.pictures import draw  # noqa: PLC0415 - half a second

    file = args.folder / "policies.csv"
    if not args.draw_only:
        plan = Plan(
            nodes=args.nodes,
            seconds=args.minutes * 60,
            seed=args.seed,
            churn=args.churn,
            leaving=0.3,
            max_children=matrix.SLOTS,
            source=matrix.SOURCE,
        )
        args.folder.mkdir(parents=True, exist_ok=True)
        matrix.write(matrix.measure(plan, tuple(args.stripes), say), file)
    for picture in draw(file, args.folder):
        say(f"{picture}")


def carry_out_sweep(plan: sweep.Sweep, folder: Path) -> list[sweep.Row]:
    """Measure, and write the CSV and the picture."""
    from bench.sim.curves import draw  # noqa: PLC0415 - half a second

    began = time.process_time()
    rows = list(sweep.measure(plan, say))
    folder.mkdir(parents=True, exist_ok=True)
    sweep.write(rows, folder / SWEEP)
    for picture in draw(folder / SWEEP, folder):
        say(f"{picture}")
    say(f"{time.process_time() - began:.0f} s of a core")
    return rows


def _sweep(args: argparse.Namespace) -> None:
    carry_out_sweep(sweep.Sweep(seed=args.seed), args.folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.overlay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_subparsers(required=True, metavar="run|crowd|joins|matrix|sweep")
    one = what.add_parser("run", help="growth, then churn or a correlated failure")
    one.set_defaults(do=_run)
    _common(one, nodes=100)
    one.add_argument("--minutes", type=float, default=10.0, help="of churn (%(default)g)")
    one.add_argument(
        "--churn", type=float, default=1.0, help="nodes that go, and that come, a second (1)"
    )
    one.add_argument(
        "--leaving", type=float, default=0.0, help="share that leave, not are killed (0)"
    )
    one.add_argument(
        "--correlated", type=float, default=0.0, help="share killed at once, half-way (0)"
    )
    one.add_argument(
        "--delay", type=float, nargs=2, default=(10.0, 30.0), metavar="MS", help="one way (10 30)"
    )
    one.add_argument("--jitter", type=float, default=1.0, metavar="MS", help="(1)")
    one.add_argument(
        "--loss", type=float, default=0.0, metavar="PERCENT", help="of segments: they come late (0)"
    )
    one.add_argument("--heartbeats", action="store_true", help="send each one: thrice the work")
    one.add_argument("--placement", default="shallow", choices=["shallow", "zebra"])
    crowd = what.add_parser("crowd", help="a flash crowd: all join within one second")
    crowd.set_defaults(do=_crowd)
    _common(crowd, nodes=1000)
    every = what.add_parser("matrix", help="add and delete policies against our own way in")
    every.set_defaults(do=_matrix)
    every.add_argument("--nodes", type=int, default=40, help="(%(default)d)")
    every.add_argument("--minutes", type=float, default=2.0, help="of churn (%(default)g)")
    every.add_argument("--churn", type=float, default=0.5, help="(%(default)g)")
    every.add_argument("--seed", type=int, default=1, help="(%(default)d)")
    every.add_argument("--stripes", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    every.add_argument("--folder", type=Path, default=Path("docs/results"), help="(%(default)s)")
    every.add_argument("--draw-only", action="store_true", help="the pictures of the CSV there is")
    all_sizes = what.add_parser("sweep", help="size, depth, loss, distance, failures")
    all_sizes.set_defaults(do=_sweep)
    all_sizes.add_argument("--seed", type=int, default=1, help="(%(default)d)")
    all_sizes.add_argument(
        "--folder", type=Path, default=Path("docs/results"), help="(%(default)s)"
    )
    joins = what.add_parser("joins", help="membership and trees alone")
    joins.set_defaults(do=_joins)
    joins.add_argument("--fan-out", type=int, default=3, help="slots of each node (%(default)d)")
    joins.add_argument("--height", type=int, default=10, help="of the full tree (%(default)d)")
    joins.add_argument("--stripes", type=int, default=1, choices=[1, 2])
    return parser


def _common(parser: argparse.ArgumentParser, *, nodes: int) -> None:
    parser.add_argument("--nodes", type=int, default=nodes, help="(%(default)d)")
    parser.add_argument("--seed", type=int, default=1, help="(%(default)d)")
    parser.add_argument("--packets", type=float, default=4.0, help="a second, of the source (4)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the figures there")


def main() -> None:
    """Do what the arguments say."""
    args = _parser().parse_args()
    logging.disable(logging.WARNING)  # the daemons' own story: a line for each node and fault
    args.do(args)


if __name__ == "__main__":
    main()

"""Every benchmark is a command, and docs/performance.md shows what it measured."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS
from bench.document import DOCUMENT, markers
from bench.figures import Figure, at_most, quantile, table

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "bench").glob("*.py") if path.stem != "__init__")
PARTS = {"__main__", "document", "figures", "players", "stage"}
"""What the benchmarks share; `camera` is a command too, but measures nothing; `overlay` has its
own results."""


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported_and_says_what_it_is(name: str) -> None:
    assert (importlib.import_module(f"bench.{name}").__doc__ or "").strip()


@pytest.mark.parametrize("name", sorted({*MODULES, ""} - PARTS))
def test_every_command_has_a_help(name: str) -> None:
    module = "bench" + (f".{name}" if name else "")
    result = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "usage:" in result.stdout


def test_make_bench_runs_every_benchmark() -> None:
    assert set(MODULES) - PARTS - {"camera", "overlay"} == set(BENCHMARKS)


@pytest.mark.parametrize("name", [*BENCHMARKS])
def test_the_document_has_the_command_and_the_figures_of_each_benchmark(name: str) -> None:
    text = DOCUMENT.read_text()
    assert f"\n    .venv/bin/python -m bench.{name}\n" in text
    begin, end = markers(name)
    found = re.search(f"{begin}(.*?){end}", text, re.DOTALL)
    assert found is not None
    assert "| what | measured | budget | ok |" in found[1]
    assert re.search(r"^Measured \d{4}-\d\d-\d\d .*, commit [0-9a-f]+", found[1], re.MULTILINE)


def test_the_document_says_which_machine_it_was() -> None:
    begin, end = markers("machine")
    found = re.search(f"{begin}(.*?){end}", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    assert re.search(r"\d+ cores .*, Python 3\.", found[1])


def test_a_figure_beyond_its_budget_shows() -> None:
    assert at_most("delay", 0.51, 0.5, "ms") == Figure("delay", "0.51 ms", "≤ 0.5 ms", ok=False)
    assert at_most("delay", 0.5, 0.5, "ms").ok
    lines = table([at_most("share", 1.5, 1, "%"), Figure("of these", "all")])
    assert lines[2:] == ["| share | 1.50 % | ≤ 1 % | **no** |", "| of these | all |  |  |"]


def test_a_percentile_lies_between_the_smallest_and_the_largest_value() -> None:
    values = [float(n) for n in range(1, 102)]
    assert quantile(values, 50) == 51
    assert quantile(values, 99) == 100
    assert quantile([1.0, 2.0], 99) <= 2

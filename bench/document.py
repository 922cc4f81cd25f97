"""The figures in docs/performance.md: each benchmark owns what stands between its two markers."""

import os
import platform
import re
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.figures import Figure, table

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "performance.md"


class Others:
    """What other processes take of the machine from now on: no figure is better than this."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy(), _own()

    def percent(self) -> float:
        """Return their share of all cores. Our own processes count once they have ended."""
        elapsed = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        used = (_busy() - self._busy) - (_own() - self._own)
        return max(0.0, 100 * used / elapsed)


def _busy() -> float:
    """CPU seconds of the whole machine (proc(5): user, nice, system, irq, softirq, steal)."""
    fields = Path("/proc/stat").read_text().split()
    return sum(int(fields[at]) for at in (1, 2, 3, 6, 7, 8)) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    return sum(os.times()[:4])


def write(name: str, figures: Sequence[Figure], others: float) -> None:
    """Replace the table of one benchmark; `others`: percent of the cores that others took."""
    _replace("machine", [f"{machine()}."])
    meanwhile = f"Measured {_when()}; other work took {others:.0f} % of the cores meanwhile."
    _replace(name, [*table(figures), "", meanwhile])


def _replace(name: str, lines: Sequence[str]) -> None:
    begin, end = markers(name)
    text = DOCUMENT.read_text()
    new, count = re.subn(
        f"{begin}.*?{end}",
        lambda _: "\n".join([begin, "", *lines, "", end]),
        text,
        flags=re.DOTALL,
    )
    if not count:
        raise SystemExit(f"{DOCUMENT.name} has no place for {name}: {begin} … {end}")
    DOCUMENT.write_text(new)


def markers(name: str) -> tuple[str, str]:
    """Return the lines between which the table of a benchmark stands."""
    return f"<!-- {name}: written by make bench -->", f"<!-- end of {name} -->"


def machine() -> str:
    """Return processor, kernel and versions."""
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    processor = cpus[0].partition(":")[2].strip() if cpus else platform.machine()
    virtual = ", virtual" if "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    return (
        f"{os.cpu_count()} cores ({processor}{virtual}), Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, uvloop {_version('uvloop')}"
    )


def _when() -> str:
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return time.strftime("%Y-%m-%d %H:%M") + f", commit {commit.stdout.strip() or 'unknown'}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

"""What is measured: a camera, a server proxy and client proxies as processes, on this machine."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.camera import Camera, Pacing
from tests.support.daemons import Daemon
from tests.support.fleet import CHANNEL, Fleet
from tests.support.processes import Process, end_all

_CPU_CLOCK_OF_PROCESS = 2
"""See clock_getcpuclockid(3): the kernel's clock ids of other processes end so."""


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder for the logs; whatever was started ends with it."""
    with tempfile.TemporaryDirectory(prefix="stripecast-bench-") as path:
        try:
            yield Path(path)
        finally:
            end_all()


@contextmanager
def stage(*, stripes: int = 2, kilobits: int = 2000, pacing: Pacing = "burst") -> Iterator[Fleet]:
    """Give a fleet without client proxies, its server proxy on a camera."""
    with folder() as path:
        camera = Camera(path, kilobits, pacing)
        config = path / "serverproxy.yaml"
        config.write_text(f"channels: {{{CHANNEL}: {{source: x, stripes: {stripes}}}}}\n")
        with Fleet(path, camera.url, 0, server_arguments=["--config", str(config)]) as fleet:
            yield fleet


class Usage(NamedTuple):
    """What a process has used so far."""

    cpu: float
    """Seconds."""
    wakeups: int
    """How often it has waited for something and gone on."""


def usage(process: Process) -> Usage:
    """Ask the kernel; costs the process nothing."""
    cpu = time.clock_gettime(~process.pid << 3 | _CPU_CLOCK_OF_PROCESS)
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    return Usage(cpu, sum(_status(task, "voluntary_ctxt_switches") for task in tasks))


def resident_megabytes(process: Process) -> float:
    """Return the resident set in MB of 10^6 bytes."""
    return _status(Path(f"/proc/{process.pid}"), "VmRSS") * 1024 / 1e6


def _status(task: Path, name: str) -> int:
    lines = (task / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


class Counters:
    """How much the counters of a daemon have grown since this was made."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon, self._before = daemon, daemon.metrics()
        self._after = self._before

    def stop(self) -> None:
        """Take the second reading."""
        self._after = self._daemon.metrics()

    def grown(self, name: str, **labels: str) -> float:
        """Return by how much; `stripecast_` is left out of the name."""
        full = f"stripecast_{name}"
        return self._after.total(full, **labels) - self._before.total(full, **labels)

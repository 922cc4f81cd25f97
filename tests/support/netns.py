"""Hosts with a network between them that delays, jitters, loses and limits.

    with Network(tmp_path, hosts=3, links={2: Link(delay=0.02, loss=0.01)}) as net:
        GstSource(tmp_path, GstOptions(address=net.address(1)), wrap=net.wrap(1))
        net.set_link(2, CUT)

The test itself sits at `net.address(ROOT)` and reaches every host over an unhindered link.
"""

import fcntl
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Self

from tests.support.installed import skip_unless_namespaces
from tests.support.processes import BenchError, Process, Wrap
from tests.support.sources import ROOT as PROJECT

ROOT = 254
"""The number of the host on which the test runs."""


@dataclass(frozen=True, slots=True)
class Link:
    """A host's link, both directions alike."""

    delay: float = 0.0
    """Seconds one way."""
    jitter: float = 0.0
    """Up to so many seconds more or less; frames may overtake each other."""
    loss: float = 0.0
    """Share of frames, 0 to 1."""
    rate: float = 0.0
    """Bit/s; 0: no limit."""


CUT = Link(loss=1.0)
"""Nothing passes: a partition, or a host that has lost power."""


class Network:
    """Namespaces on a user-space switch in a process of its own; gone when that process ends."""

    def __init__(self, folder: Path, hosts: int, links: Mapping[int, Link] | None = None) -> None:
        skip_unless_namespaces()
        self.hosts, self.folder = hosts, folder
        self._lock, number = claimed()
        self.subnet = f"10.77.{number}"
        self.prefix = f"sc{number}n"
        spec = {
            "prefix": self.prefix,
            "subnet": self.subnet,
            "hosts": hosts,
            "links": {host: asdict(link) for host, link in (links or {}).items()},
        }
        argv = [sys.executable, "-m", "tests.support.tap_switch", json.dumps(spec)]
        self.switch = Process(argv, folder / "switch.log", {"PYTHONPATH": str(PROJECT)})

    def address(self, host: int) -> str:
        """IP address of host 1… or of ROOT."""
        return f"{self.subnet}.{host}"

    def wrap(self, host: int) -> Wrap:
        """Return what makes a command line run on that host."""
        if not 1 <= host <= self.hosts:
            raise BenchError(f"there is no host {host}")
        return lambda argv: ["ip", "netns", "exec", f"{self.prefix}{host}", *argv]

    def popen(self, host: int, argv: Sequence[str], log: str = "") -> Process:
        """Start a program on that host."""
        name = log or f"host{host}-{Path(argv[0]).name}.log"
        return Process(self.wrap(host)(argv), self.folder / name)

    def set_link(self, host: int, link: Link) -> None:
        """Change a link; returns when the change holds for every frame that enters from now on."""
        self.switch.write(json.dumps({"host": host, "link": asdict(link)}))
        self.switch.expect(f"^SET {host}$", 10)

    def __enter__(self) -> Self:
        try:
            self.switch.expect("^READY$", 60)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove everything."""
        self.switch.terminate(30.0)
        self._lock.close()


def claimed() -> tuple[IO[str], int]:
    """Claim a number that no other run on this machine has; closing the file gives it back."""
    for number in range(1, 250):
        path = Path(tempfile.gettempdir()) / f"stripecast-net-{number}.lock"
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        lock.write(str(os.getpid()))
        return lock, number
    raise BenchError("249 networks are in use")

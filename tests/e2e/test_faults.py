"""Interior relays fail, one after the other: no player misses a packet (Z11, Z31, S16, S29).

`STRIPECAST_FULL=1 .venv/bin/python -m pytest tests/e2e/test_faults.py -rP` prints the figures that
docs/reliability.md quotes.
"""

from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path

import pytest

from tests.support.faults import Fault, FaultStage, Place, freeze, kill, leave
from tests.support.fleet import FULL, long
from tests.support.netbench import Cable, Hosts
from tests.support.sources import GstOptions, GstSource

pytestmark = pytest.mark.e2e

STRIKES = int(long(5, 20))
SIZE = int(long(6, 10))
"""Relays, and as many viewers."""
EVERY = 2.0
SOON = long(1.0, EVERY)
"""Seconds between two strikes; less where the test would take long and the fault is found soon."""
KILLED, SILENT = 0.1, 1.0
"""Seconds within which the 95th percentile of the stalls has to lie, on a quiet machine."""
BUSY = 10
"""By so much more it may lie in `make test`, beside who knows what."""
CABLES: list[Cable] = ["cut", "mute", "deaf", "pulled"]


def _judge(stage: FaultStage, name: str, p95: float) -> None:
    outcome = stage.judge()
    print(f"{name}: {outcome}")
    outcome.check()
    assert sum(strike.children for strike in stage.strikes) >= STRIKES
    assert outcome.p95 <= (p95 if FULL else p95 * BUSY), str(outcome)
    stage.wait_nothing_half_open()


def _struck(folder: Path, fault: Fault, every: float, p95: float) -> None:
    with (
        GstSource(folder) as source,
        FaultStage(folder, source, relays=SIZE, viewers=SIZE) as stage,
    ):
        stage.watch()
        stage.run(fault, STRIKES, every)
        _judge(stage, fault.__name__, p95)


def test_relays_are_killed(tmp_path: Path) -> None:
    """SIGKILL of interior relays, and a fresh one joins each time."""
    _struck(tmp_path, kill, SOON, KILLED)


def test_relays_are_stopped(tmp_path: Path) -> None:
    """SIGSTOP: all their connections stay open, and nothing comes."""
    _struck(tmp_path, freeze, EVERY, SILENT)


def test_relays_leave(tmp_path: Path) -> None:
    """SIGTERM: each hands its children over and ends in good order within five seconds."""
    _struck(tmp_path, leave, SOON, KILLED)


def _places(hosts: Hosts) -> Iterator[Place]:
    return (Place(hosts.address(host), hosts.wrap(host), host) for host in count(1))


@pytest.mark.parametrize("cables", [[one] for one in CABLES] if FULL else [CABLES], ids="-".join)
def test_the_network_of_relays_fails(tmp_path: Path, cables: list[Cable]) -> None:
    """All on hosts of their own; both directions are cut, or one, or the cable is pulled out."""
    turns = cycle(cables)
    with Hosts(tmp_path, 1 + 2 * SIZE + STRIKES) as hosts:
        options = GstOptions(address=hosts.address(1))
        with (
            GstSource(tmp_path, options, wrap=hosts.wrap(1)) as source,
            FaultStage(tmp_path, source, relays=SIZE, viewers=SIZE, places=_places(hosts)) as stage,
        ):
            stage.watch()
            stage.run(lambda member: hosts.set(member.place.number, next(turns)), STRIKES, EVERY)
            _judge(stage, "-".join(cables), SILENT)

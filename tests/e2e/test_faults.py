"""Interior relays fail, one after the other: no player misses a packet (Z11, Z31, S16, S29).

`STRIPECAST_FULL=1 .venv/bin/python -m pytest tests/e2e/test_faults.py -rP` prints the figures that
docs/reliability.md quotes.
"""

from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Literal

import pytest

from tests.support.faults import Fault, FaultStage, Member, Place, freeze, kill, leave
from tests.support.fleet import FULL, long
from tests.support.netbench import Cable, Hosts
from tests.support.sources import GstOptions, GstSource

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

STRIKES = int(long(5, 20))
SIZE = int(long(6, 10))
"""Relays, and as many viewers."""
EVERY = 2.0
SOON = long(1.0, EVERY)
"""Seconds between two strikes; less in `make test` where a fault is found at once."""
KILLED, SILENT = 0.1, 1.0
"""Seconds within which the 95th percentile of the stalls has to lie, on a quiet machine."""
BUSY = 10
"""By so much more it may lie in `make test`, beside who knows what."""
Silence = Cable | Literal["stopped"]
SILENCES: list[Silence] = ["stopped", "cut", "mute", "deaf", "pulled"]


def _judge(stage: FaultStage, name: str, p95: float) -> None:
    outcome = stage.judge()
    print(f"{name}: {outcome}")
    outcome.check()
    assert sum(strike.children for strike in stage.strikes) >= STRIKES
    assert outcome.p95 <= (p95 if FULL else p95 * BUSY), str(outcome)
    stage.wait_nothing_half_open()


def _struck(folder: Path, fault: Fault) -> None:
    with (
        GstSource(folder) as source,
        FaultStage(folder, source, relays=SIZE, viewers=SIZE) as stage,
    ):
        stage.watch()
        stage.run(fault, STRIKES, SOON)
        _judge(stage, fault.__name__, KILLED)


def test_relays_are_killed(tmp_path: Path) -> None:
    """SIGKILL of interior relays, and a fresh one joins each time."""
    _struck(tmp_path, kill)


def test_relays_leave(tmp_path: Path) -> None:
    """SIGTERM: each hands its children over and ends in good order within five seconds."""
    _struck(tmp_path, leave)


def _places(hosts: Hosts) -> Iterator[Place]:
    return (Place(hosts.address(host), hosts.wrap(host), host) for host in count(1))


@pytest.mark.parametrize("kinds", [[one] for one in SILENCES] if FULL else [SILENCES], ids="-".join)
def test_relays_fall_silent(tmp_path: Path, kinds: list[Silence]) -> None:
    """SIGSTOP, a network that is cut, in both directions or one, a cable that is pulled out.

    Nothing is closed in any of them. All daemons are on hosts of their own.
    """
    turns = cycle(kinds)
    with Hosts(tmp_path, 1 + 2 * SIZE + STRIKES) as hosts:

        def silence(member: Member) -> None:
            kind = next(turns)
            if kind == "stopped":
                freeze(member)
            else:
                hosts.set(member.place.number, kind)

        options = GstOptions(address=hosts.address(1))
        with (
            GstSource(tmp_path, options, wrap=hosts.wrap(1)) as source,
            FaultStage(tmp_path, source, relays=SIZE, viewers=SIZE, places=_places(hosts)) as stage,
        ):
            stage.watch()
            stage.run(silence, STRIKES, EVERY)
            _judge(stage, "-".join(kinds), SILENT)

"""Interior relays fail, one every two seconds: no player misses a packet (Z11, Z31, S16, S29).

`STRIPECAST_FULL=1 .venv/bin/python -m pytest tests/e2e/test_faults.py -rP` prints the figures that
docs/reliability.md quotes.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.faults import Fault, FaultStage, Outcome, Place, freeze, kill, leave
from tests.support.fleet import FULL, long
from tests.support.netbench import Cable, Hosts
from tests.support.sources import GstOptions, GstSource

pytestmark = pytest.mark.e2e

STRIKES = int(long(5, 20))
EVERY = 2.0
SIZE = int(long(6, 10))
"""Relays, and as many viewers; ten and ten are asked for."""
KILLED, SILENT = 0.1, 1.0
"""Seconds within which the 95th percentile of the stalls has to lie, on a quiet machine."""
BUSY = 10
"""By so much more it may lie in `make test`, beside who knows what."""


def _judge(stage: FaultStage, name: str, p95: float) -> Outcome:
    outcome = stage.judge()
    print(f"{name}: {outcome}")
    outcome.check()
    assert sum(strike.children for strike in stage.strikes) >= STRIKES
    bound = p95 if FULL else p95 * BUSY
    assert outcome.p95 <= bound, str(outcome)
    return outcome


@pytest.mark.parametrize(
    ("fault", "bound"),
    [(kill, KILLED), (freeze, SILENT), (leave, KILLED)],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_relay_fails_every_two_seconds(tmp_path: Path, fault: Fault, bound: float) -> None:
    """SIGKILL, SIGSTOP and, in good order, SIGTERM of interior relays; fresh ones join."""
    with (
        GstSource(tmp_path) as source,
        FaultStage(tmp_path, source, relays=SIZE, viewers=SIZE) as stage,
    ):
        stage.watch()
        stage.run(fault, STRIKES, EVERY)
        _judge(stage, fault.__name__, bound)
        stage.wait_nothing_half_open()


def _places(hosts: Hosts) -> Iterator[Place]:
    return (Place(hosts.address(host), hosts.wrap(host), host) for host in count(1))


@pytest.mark.parametrize("cable", ["cut", "mute", "deaf", "pulled"])
def test_the_network_of_a_relay_fails_every_two_seconds(tmp_path: Path, cable: Cable) -> None:
    """All on hosts of their own; both directions are cut, or one, or the cable is pulled out."""
    with Hosts(tmp_path, 1 + 2 * SIZE + STRIKES) as hosts:
        options = GstOptions(address=hosts.address(1))
        with (
            GstSource(tmp_path, options, wrap=hosts.wrap(1)) as source,
            FaultStage(tmp_path, source, relays=SIZE, viewers=SIZE, places=_places(hosts)) as stage,
        ):
            stage.watch()
            stage.run(lambda member: hosts.set(member.place.number, cable), STRIKES, EVERY)
            _judge(stage, cable, SILENT)
            stage.wait_nothing_half_open()

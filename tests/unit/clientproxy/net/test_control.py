"""How nodes come back to a server proxy that was away."""

from random import Random

import pytest

from clientproxy.net.control import FIRST_PAUSE, MOST_PAUSE
from common.liveness import Backoff

NODES = 100
WINDOW = 0.25


def back_after(away: float, dice: Random) -> float:
    """Return when a node comes back to a server proxy that was away for so many seconds."""
    backoff, now = Backoff(first=FIRST_PAUSE, most=MOST_PAUSE), 0.0
    while now < away:
        now += backoff.next(dice.random())
    return now - away


@pytest.mark.parametrize("away", [1.5, 2.5, 4.0, 8.0, 30.0])
def test_a_hundred_nodes_do_not_come_back_all_at_once(away: float) -> None:
    """The longer it was away, the further they are apart; nobody stays away much longer."""
    dice = Random(20261121)
    came = [back_after(away, dice) for _ in range(NODES)]
    most = max(sum(at <= other < at + WINDOW for other in came) for at in came)
    assert most <= NODES * 0.45, f"{most} within {WINDOW} s"
    assert max(came) <= MOST_PAUSE

"""The limit on open files."""

import resource
import subprocess
import sys

import pytest

from common.runtime.openfiles import MOST_OPEN

RAISED = """
import resource
from common.runtime import daemon
async def main(stop):
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
daemon.run_daemon(main)
"""
HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.mark.parametrize("hard", [700, HARD])
def test_a_daemon_raises_its_limit_to_what_it_may_have(hard: int) -> None:
    """That of a process of its own: one that is lowered here could not be raised again."""
    program = RAISED.format(soft=256, hard=hard)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    most = MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN)
    assert done.stdout == f"{(most, hard)}\n"

"""What work costs, whatever else the machine does."""

from collections.abc import Callable
from time import thread_time


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that this thread spends on `work`."""
    before = thread_time()
    work()
    return thread_time() - before

"""What all tests share: how hard Hypothesis looks, and how long a second is."""

import asyncio
import os
from collections.abc import Callable

import hypothesis
import pytest

# The fast profile looks at the same examples each time: what CI finds, the change has caused.
hypothesis.settings.register_profile("fast", max_examples=50, deadline=None, derandomize=True)
hypothesis.settings.register_profile(
    "deep",
    max_examples=2000,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# Else pytest-asyncio asks for "the current loop" before the first test: asyncio makes one, nobody
# closes it, and some innocent test fails for the ResourceWarning.
asyncio.set_event_loop(None)

TIME_SCALE = float(os.environ.get("STRIPECAST_TEST_TIME_SCALE", "1"))


@pytest.fixture
def seconds() -> Callable[[float], float]:
    """Return how many seconds to wait at most for what takes that many on an idle machine.

    STRIPECAST_TEST_TIME_SCALE (1) makes all of them longer on a slow machine.
    """

    def scaled(count: float) -> float:
        return count * TIME_SCALE

    return scaled

"""What counts as a host."""

import pytest

from common.runtime.addresses import is_host
from tests.support.effort import cpu_seconds


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("camera", True),
        ("camera.example.org.", True),
        ("my_camera-2", True),
        ("192.0.2.1", True),
        ("2001:db8::1", True),
        ("a" * 63 + ".org", True),
        ("a" * 64 + ".org", False),
        ("a..b", False),
        (".a", False),
        ("a..", False),
        ("", False),
        ("12:30", False),
        ("192.0.2", False),
        ("cam!", False),
    ],
)
def test_a_host_is_a_name_or_an_address(host: str, is_one: bool) -> None:
    assert is_host(host) is is_one


def test_a_long_name_with_a_slip_is_refused_at_once() -> None:
    """It took hours: a name was tried in every way of cutting it in pieces."""
    assert cpu_seconds(lambda: is_host("a" * 28 + "!")) < 1

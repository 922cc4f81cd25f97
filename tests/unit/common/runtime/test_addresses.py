"""What counts as a host, and what as a place to listen at."""

import pytest
from pydantic import TypeAdapter, ValidationError

from common.ids import Address
from common.runtime.addresses import ListenAddress, is_host
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


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9854", Address("", 9854)),
        (":0", Address("", 0)),
        ("[::1]:9854", Address("::1", 9854)),
        ("[::]:0", Address("::", 0)),
        ("127.0.0.1:9854", Address("127.0.0.1", 9854)),
    ],
)
def test_a_place_to_listen_at_has_a_port(text: str, address: Address) -> None:
    assert TypeAdapter(ListenAddress).validate_python(text) == address


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("::1:9854", "'::1:9854' does not say where its port begins: write [::1]:9854"),
        ("fe80::1:0", "'fe80::1:0' does not say where its port begins: write [fe80::1]:0"),
        ("::1", "'::1' does not say where its port begins: write [::1]:PORT"),
        ("::", "'::' does not say where its port begins: write [::]:PORT"),
        ("a:b:c", "'a:b:c' has no port: write HOST:PORT, or :PORT for all addresses"),
        (":a:1", "':a:1' has no port: write HOST:PORT, or :PORT for all addresses"),
        (":", "':' has no port: write HOST:PORT, or :PORT for all addresses"),
        (":99999", "':99999' has no port between 0 and 65535: write HOST:PORT, or :PORT for all"),
    ],
)
def test_what_has_none_opens_nothing(text: str, sentence: str) -> None:
    """`http: "::1:9854"`, meant for this machine alone, opened all addresses at a random port."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(ListenAddress).validate_python(text)
    assert sentence in str(refused.value)

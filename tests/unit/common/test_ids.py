"""Addresses as people write them."""

import pytest

from common.ids import Address, is_loopback


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("camera", Address("camera", 7854)),
        ("camera:1", Address("camera", 1)),
        ("camera:", Address("camera", 7854)),
        ("192.0.2.1:65535", Address("192.0.2.1", 65_535)),
        ("[2001:db8::1]", Address("2001:db8::1", 7854)),
        ("[2001:db8::1]:80", Address("2001:db8::1", 80)),
        ("[fe80::1%eth0]:80", Address("fe80::1%eth0", 80)),
        ("2001:db8::1", Address("2001:db8::1", 7854)),
    ],
)
def test_an_address_is_read_with_and_without_port(text: str, address: Address) -> None:
    assert Address.parse(text, 7854) == address


@pytest.mark.parametrize("address", [Address("h", 1), Address("192.0.2.1", 2), Address("::1", 3)])
def test_an_address_that_was_written_is_read_again(address: Address) -> None:
    assert Address.parse(str(address), 0) == address


def test_ipv6_hosts_are_written_in_brackets() -> None:
    assert str(Address("::1", 554)) == "[::1]:554"
    assert str(Address("h", 554)) == "h:554"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "names no host"),
        (":80", "names no host"),
        ("[]:80", "names no host"),
        ("[::1", r"write \[IPv6\]"),
        ("[::1]80", r"write \[IPv6\]"),
        ("h:65536", "no port between 0 and 65535"),
        ("h:-1", "no port"),
        ("h:+1", "no port"),
        ("h:eighty", "no port"),
        ("h:\uff18\uff10", "no port"),
        ("[::1]:x", "no port"),
        ("rtsp://h/cam", "is a URL: write its host alone, HOST or HOST:PORT"),
    ],
)
def test_what_is_no_address_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        Address.parse(text, 7854)


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::1%lo", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("camera", False),
        ("", False),
    ],
)
def test_a_loopback_address_is_one_in_every_spelling(host: str, is_one: bool) -> None:
    assert is_loopback(host) is is_one

"""Types of configuration keys that are addresses: read from text, shown as text in the schemas."""

import ipaddress
import re
from contextlib import suppress
from typing import Annotated

from pydantic import BeforeValidator, InstanceOf, WithJsonSchema
from pydantic_core import PydanticCustomError

from common.ids import MAX_PORT, Address
from common.runtime.faults import quoted

ALL_ADDRESSES = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound
"""Hosts that mean every address of this machine."""

_LABEL = "[A-Za-z0-9_-]{1,63}"
_BOTH = "write HOST:PORT, or :PORT for all addresses"
_AS_TEXT = f"is not an address: {_BOTH}"


def _listen(value: object) -> object:
    if not isinstance(value, str):
        return _address(value)
    if advice := _brackets(value):
        raise ValueError(f"{quoted(value)} does not say where its port begins: {advice}")
    named = f"all{value}" if value.startswith(":") else value
    try:
        port = Address.parse(named, 0).port
    except ValueError:
        if named == value:
            raise
        raise ValueError(f"{quoted(value)} has no port between 0 and {MAX_PORT}: {_BOTH}") from None
    if not port and not value.endswith(":0"):
        raise ValueError(f"{quoted(value)} has no port: {_BOTH}")
    return _address(named)._replace(host="") if named != value else _address(value)


def _brackets(value: str) -> str:
    """Return what to write for an IPv6 address that lacks brackets; nothing for all else.

    `::1:9854` is an address by itself, and an address with a port.
    """
    host, _, port = value.rpartition(":")
    if ":" in host and is_host(host) and port.isdigit():
        return f"write [{host}]:{port}"
    return f"write [{value}]:PORT" if ":" in value and is_host(value) else ""


def peer_address(value: object) -> Address:
    """Read `HOST` or `HOST:PORT`; raise ValueError with a sentence."""
    address = _address(value)
    if address.host in ALL_ADDRESSES:
        raise ValueError(f"{quoted(value)} is no address that others reach: write that of one host")
    return address


def _address(value: object) -> Address:
    if isinstance(value, str):
        address = Address.parse(value, 0)
        if not is_host(address.host):
            raise ValueError(f"{quoted(value)} is not an address: write HOST, HOST:PORT or [IPv6]")
        return address
    raise PydanticCustomError("value_error", "{error}", {"error": f"{quoted(value)} {_AS_TEXT}"})


def is_host(host: str) -> bool:
    """Whether a resolver can do something with it: a name with dots, or an IP address.

    A name whose last part is all digits is none (RFC 3696, 2): `12:30` is a time, not a host.
    """
    last = host.removesuffix(".").rpartition(".")[2]
    if ":" in host or last.isdigit():
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
    return re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*\.?", host) is not None


def from_here(address: Address) -> Address:
    """Return where this machine reaches who listens at `address`, which may be all addresses."""
    loopback = "::1" if address.host == "::" else "127.0.0.1"
    return address._replace(host=loopback) if address.host in ALL_ADDRESSES else address


def url_host(listening: str) -> str:
    """Return the HOST:PORT of a URL for this machine, of what a daemon says it listens at.

    Text that is no address stays as it is.
    """
    with suppress(ValueError):
        host, _, port = listening.rpartition(":")
        return str(from_here(Address(host.strip("[]"), int(port))))
    return listening


def overlap(one: Address, other: Address) -> bool:
    """Whether two daemons' ports cannot be had at the same time."""
    if one.port != other.port or one.port == 0:
        return False
    return one.host == other.host or bool({one.host, other.host} & ALL_ADDRESSES)


ListenAddress = Annotated[
    InstanceOf[Address],
    BeforeValidator(_listen),
    WithJsonSchema({"type": "string", "maxLength": 261, "x-type": "HOST:PORT or :PORT"}),
]
"""`HOST:PORT`; `:PORT` is all addresses, with the host ''. Port 0 is any free port."""

PeerAddress = Annotated[
    InstanceOf[Address],
    BeforeValidator(peer_address),
    WithJsonSchema({"type": "string", "maxLength": 261, "x-type": "HOST or HOST:PORT"}),
]
"""`HOST` or `HOST:PORT`; without a port it is 0, and the owner of the key says what that means."""

"""Names of things: nodes, stripes, channels and addresses."""

from ipaddress import ip_address
from typing import NamedTuple, NewType

NodeId = NewType("NodeId", str)
"""Id of a node in one channel, given by the server proxy."""

Stripe = NewType("Stripe", int)
"""Number of a stripe: `sequence number mod stripes`."""

ROOT = NodeId("root")
"""The server proxy in every tree of its channels."""

MAX_PORT = 65_535
SERVER_PORT = 7854
"""Overlay port of a server proxy, unless it is configured otherwise."""


class Address(NamedTuple):
    """Where a daemon listens. `str()` puts IPv6 hosts in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, default_port: int) -> "Address":
        """Read `host`, `host:port`, `[v6]` or `[v6]:port`; raise ValueError with a sentence."""
        host, port = text, ""
        if "://" in text:
            raise ValueError(f"{text!r} is a URL: write its host alone, HOST or HOST:PORT")
        if text.startswith("["):
            host, closed, rest = text[1:].partition("]")
            if not closed or (rest and not rest.startswith(":")):
                raise ValueError(f"{text!r} is not an address: write [IPv6] or [IPv6]:PORT")
            port = rest[1:]
        elif text.count(":") == 1:
            host, _, port = text.partition(":")
        if not host:
            raise ValueError(f"{text!r} names no host: write HOST or HOST:PORT")
        if port and not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
            raise ValueError(f"{text!r} has no port between 0 and {MAX_PORT}: write HOST:PORT")
        return cls(host, int(port) if port else default_port)


def is_loopback(host: str) -> bool:
    """Return whether a host is an address of the machine itself."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)

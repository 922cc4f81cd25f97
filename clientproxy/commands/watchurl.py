"""The URL that `clientproxy watch` takes: rtsp://SERVER[:PORT]/CHANNEL. No I/O here."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from common.ids import SERVER_PORT, Address
from common.refusals import CHANNEL_NAME
from common.runtime.addresses import is_host

FORM = "rtsp://SERVER/CHANNEL or rtsp://SERVER:PORT/CHANNEL"
_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://|[Rr][Tt][Ss][Pp]:/*|//+)?"
    r"(?P<authority>[^/]*)(?P<path>.*)"
)


class Wanted(NamedTuple):
    """What is to be watched."""

    server: Address
    channel: str


def parse(text: str) -> Wanted:
    """Read the URL; raise ValueError with a sentence, in which no password is."""
    if "@" in text:  # first: a password may have anything in it that splits a URL
        raise ValueError(f"names a user: server proxies ask for none; write {FORM}")
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError(f"is no URL: write {FORM}")
    for mark in "?#":
        if mark in text:
            raise ValueError(f"has a {mark!r}, which means nothing here: write {FORM}")
    authority = found["authority"]
    path = [unquote(part) for part in found["path"].removesuffix("/").split("/")[1:]]
    if found["scheme"] is None or found["scheme"].lower() != "rtsp":
        meant = f"rtsp://{authority or 'SERVER'}/{'/'.join(path) or 'CHANNEL'}"
        raise ValueError(f"does not begin with rtsp://: write {meant}")
    return Wanted(channel=_channel(authority, path), server=_server(authority))


def _channel(authority: str, path: list[str]) -> str:
    if "" in path:
        short = "/".join(filter(None, path))
        raise ValueError(f"has one '/' too many: write rtsp://{authority}/{short or 'CHANNEL'}")
    if len(path) > 1:
        raise ValueError(
            "is what players open at a client proxy: write the server proxy's own,"
            f" rtsp://{path[0]}/{path[-1]}"
        )
    if not path:
        raise ValueError(f"names no channel: write rtsp://{authority or 'SERVER'}/CHANNEL")
    if not CHANNEL_NAME.fullmatch(path[0]):
        raise ValueError(
            f"names no channel: {path[0]!r} is not 1 to 64 of the letters, digits, '.', '_', '-',"
            " no dot first"
        )
    return path[0]


def _server(authority: str) -> Address:
    server = Address.parse(authority, SERVER_PORT)
    if not is_host(server.host):
        raise ValueError(f"names no host: {server.host!r} is none; write {FORM}")
    if not server.port:
        raise ValueError(f"names port 0, where nobody listens: write {FORM}")
    return server

"""The URL that `clientproxy watch` takes: rtsp://SERVER[:PORT]/CHANNEL. No I/O here."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from clientproxy.config import SERVER_PORT
from common.ids import Address
from common.runtime.addresses import is_host

FORM = "rtsp://SERVER/CHANNEL or rtsp://SERVER:PORT/CHANNEL"
_URL = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<authority>[^/?#]*)(?P<rest>.*)")
_CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Wanted(NamedTuple):
    """What is to be watched."""

    server: Address
    channel: str


def parse(text: str) -> Wanted:
    """Read the URL; raise ValueError with a sentence, in which no password is."""
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError(f"is no URL: write {FORM}")
    _user, at, authority = found["authority"].rpartition("@")
    path = [unquote(part) for part in found["rest"].rstrip("/").split("/")[1:]]
    if at:
        raise ValueError(f"names a user: server proxies ask for none; write {FORM}")
    if found["scheme"] is None or found["scheme"].lower() != "rtsp":
        meant = f"rtsp://{authority or 'SERVER'}/{'/'.join(path) or 'CHANNEL'}"
        raise ValueError(f"does not begin with rtsp://: write {meant}")
    if len(path) > 1:
        raise ValueError(
            "is what players open at a client proxy: write the server proxy's own,"
            f" rtsp://{path[0]}/{path[-1]}"
        )
    if not path or not path[0]:
        raise ValueError(f"names no channel: write rtsp://{authority or 'SERVER'}/CHANNEL")
    if not _CHANNEL.fullmatch(path[0]):
        raise ValueError(
            f"names no channel: {path[0]!r} is not 1 to 64 of the letters, digits, '.', '_', '-'"
        )
    server = Address.parse(authority, SERVER_PORT)
    if not is_host(server.host):
        raise ValueError(f"names no host: {server.host!r} is none; write {FORM}")
    return Wanted(server, path[0])

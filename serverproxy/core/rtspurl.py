"""URLs of sources: taken apart for requests, and without their secrets for logs."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from common.ids import MAX_PORT

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
_SECRET = re.compile(
    r"(?<![^/&?;=])([^/&?;=]*(?:user|login|auth|pass|pwd|token|secret|key)[^/&?;=]*=)[^/&;]*",
    re.IGNORECASE,
)
_MASKED = r"\1***"
_PLACE = re.compile(r"[^:]*(:\d+)?|\[[^]]*\](:\d+)?")
_MOST_SHOWN = 200
_LAST_CONTROL, _DELETE = 0x20, 0x7F


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceUrl:
    """An RTSP URL taken apart."""

    scheme: str
    """`rtsp` or `rtsps`."""
    host: str
    """Without brackets."""
    port: int
    request: str = field(repr=False)
    """The URL as requests name it: no credentials, IPv6 in brackets."""
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> "SourceUrl":
        """Take an URL apart; raise ValueError with a sentence that holds no secret."""
        if any(ord(sign) <= _LAST_CONTROL or ord(sign) == _DELETE for sign in url):
            raise ValueError("the URL holds a space or control character: write it as %20")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(
                f"{redact(url)} is not an URL: write rtsp://HOST[:PORT]/PATH, PORT up to {MAX_PORT}"
            ) from None
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError(f"{redact(url)} is no RTSP URL: write rtsp:// or rtsps://")
        if not parts.hostname:
            raise ValueError(f"{redact(url)} names no host: write rtsp://HOST/PATH")
        place = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        place += f":{port}" if port else ""
        query = f"?{parts.query}" if parts.query else ""
        return cls(
            scheme=parts.scheme,
            host=parts.hostname,
            port=port or DEFAULT_PORTS[parts.scheme],
            request=f"{parts.scheme}://{place}{parts.path}{query}",
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )


def redact(url: str, *, credentials: bool = False) -> str:
    """Return an URL as it may be logged: without user, password and what looks like a secret.

    Rather too little than too much: an unquoted "@" or "/" must not show half a password.
    `credentials`: it has some, which were taken out before.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _shown(url)
    place = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in place or ("@" in rest and not _PLACE.fullmatch(place)):
        credentials, rest = True, rest.rpartition("@")[2]
    if credentials:
        rest = f"***@{rest}"
    return _shown(f"{scheme}://{rest}")


def _shown(text: str) -> str:
    """Return the beginning of a text without secrets; cut first, for a peer may make it long."""
    masked = _SECRET.sub(_MASKED, text[:_MOST_SHOWN])
    clean = "".join(sign if sign.isprintable() else "?" for sign in masked)
    return clean if len(text) <= _MOST_SHOWN else clean + "…"

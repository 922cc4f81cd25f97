"""What one pull goes to, and where a redirect leads."""

import ssl
from dataclasses import dataclass, field

from common.errors import SourceError
from serverproxy.core.authorization import Credentials
from serverproxy.core.rtspurl import SourceUrl, redact


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one pull goes to, and how."""

    url: SourceUrl
    credentials: Credentials | None = field(repr=False)
    tls: ssl.SSLContext | None
    fingerprint: str | None
    tcp: bool
    timeout: float
    channel: str
    """Whose source it is."""


def redirected(location: str, before: Target) -> tuple[SourceUrl, Credentials | None]:
    """Return where a redirect leads and what to log in with there.

    Raises SourceError for a target that is no RTSP URL, or that gives up TLS. Credentials go to
    another host only if the target names them.
    """
    try:
        url = SourceUrl.parse(location)
    except ValueError as error:
        raise SourceError(f"the source redirects to what is no RTSP URL: {error}") from None
    if before.url.scheme == "rtsps" and url.scheme != "rtsps":
        raise SourceError(f"the source redirects from rtsps to {redact(location)}, without TLS")
    if url.username is not None:
        return url, Credentials(url.username, url.password or "")
    return url, before.credentials if url.host == before.url.host else None

"""RTSPS: whom to trust."""

import hashlib
import hmac
import ssl

from common.errors import SourceError
from serverproxy.net.source.settings import SourceSettings


def client_context(settings: SourceSettings) -> ssl.SSLContext:
    """Return what rtsps:// connections are verified with; raises SourceError for a bad `ca` file.

    A fingerprint without `ca` stands for name and issuer: `check_fingerprint` must follow then,
    before anything is sent.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except (OSError, ssl.SSLError) as error:
        raise SourceError(f"cannot read the certificates in ca: {settings.ca}: {error}") from error
    if settings.fingerprint is not None and settings.ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def check_fingerprint(tls: object, fingerprint: str) -> None:
    """Raise SourceError unless the peer of an `ssl_object` shows a certificate of that SHA-256.

    `fingerprint`: 64 small hex digits.
    """
    shown = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
    digest = hashlib.sha256(shown or b"").hexdigest()
    if shown is None or not hmac.compare_digest(digest, fingerprint):
        raise SourceError(
            f"the source's certificate has the fingerprint {digest}, not the one that is set: "
            "if the source has a new certificate, set fingerprint anew; else somebody is in between"
        )

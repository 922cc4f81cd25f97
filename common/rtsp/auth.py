"""Basic and Digest authentication of players (RFC 7617, 2069, 2617, 7616), without I/O.

Rules
-----
1. Names, passwords and digests are compared in constant time.
2. Digest is MD5, the one that players know; `qop=auth` is accepted but not asked for, since half of
   them know RFC 2069 alone. The challenge has realm, nonce, stale in this order: live555 reads it
   with `sscanf`.
3. A nonce proves by itself when it was made and by whom: no table of them is kept. It may be used
   for `NONCE_LIFETIME`, and on a connection where it was used in time as long as that stands: no
   player is asked again in the midst of a stream. Later its player is told `stale=true`, so that it
   tries again without asking its user.
4. The `uri` of a digest may be that of the whole channel: live555 puts it in for SETUP.
5. Neither password nor header stands in any `repr` or message.
"""

import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import urlsplit

from common.rtsp.messages import Request

REALM = "stripecast"
NONCE_LIFETIME = 60.0
MAX_WRONG = 4
"""Wrong passwords on one connection, after which it is to be closed."""
_MAC_CHARS = 32
_STAMP_CHARS = 12
_MAX_PARAMETERS = 32
_PARAMETER = re.compile(
    r'(?<![A-Za-z0-9-])([A-Za-z][A-Za-z0-9-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))'
)
"""The look behind keeps the search linear: in a long name it would begin at each letter."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may watch."""

    user: str
    password: str = field(repr=False)


class Nonces:
    """What digests are made with, so that none is good for ever. `key`: 16 random bytes or more."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def fresh(self, now: float) -> str:
        """Return a nonce that is made now."""
        stamp = f"{int(max(0.0, now) * 1000):0{_STAMP_CHARS}x}"
        return stamp + self._mac(stamp)

    def is_good(self, nonce: str, now: float) -> bool:
        """Say whether a nonce is one of ours and not too old."""
        stamp, mac = nonce[:_STAMP_CHARS], nonce[_STAMP_CHARS:]
        if not _equal(mac, self._mac(stamp)):
            return False
        return 0 <= now - int(stamp, 16) / 1000 <= NONCE_LIFETIME

    def _mac(self, stamp: str) -> str:
        return hmac.new(self._key, stamp.encode(), hashlib.sha256).hexdigest()[:_MAC_CHARS]


class Guard:
    """Whom one connection lets in."""

    def __init__(self, access: Access, nonces: Nonces) -> None:
        self._access = access
        self._nonces = nonces
        self._proven = ""
        """The nonce that was used here in time."""
        self._admitted = False
        self.wrong = 0
        """How many requests came with a wrong password."""

    def admit(self, request: Request) -> None:
        """Let who opens a tunnel with the right Basic credentials ask for anything in it."""
        scheme, value = _split(request)
        self._admitted = self._admitted or (scheme == "basic" and self._is_basic(value))

    def challenges(self, request: Request, now: float) -> tuple[str, ...]:
        """Return what WWW-Authenticate is to ask for; nothing where the request may pass."""
        scheme, value = _split(request)
        stale = False
        if scheme == "digest":
            nonce = self._digest_nonce(request, value)
            if nonce is not None:
                if nonce == self._proven or self._nonces.is_good(nonce, now):
                    self._proven = nonce
                    return ()
                stale = True
        elif self._admitted or (scheme == "basic" and self._is_basic(value)):
            return ()
        self.wrong += bool(scheme) and not stale
        digest = f'Digest realm="{REALM}", nonce="{self._nonces.fresh(now)}"'
        return (digest + (", stale=true" if stale else ""), f'Basic realm="{REALM}"')

    def _is_basic(self, value: str) -> bool:
        try:
            given = binascii.a2b_base64(value.encode(), strict_mode=True)
        except ValueError:
            return False
        return _equal(given, f"{self._access.user}:{self._access.password}")

    def _digest_nonce(self, request: Request, value: str) -> str | None:
        """Return the nonce of a digest that only who knows the password can have made."""
        given = {
            found[1].lower(): found[2] if found[2] is not None else found[3]
            for found in islice(_PARAMETER.finditer(value), _MAX_PARAMETERS)
        }
        nonce, uri = given.get("nonce", ""), given.get("uri", "")
        if given.get("algorithm", "MD5").upper() != "MD5" or not _about(uri, request.uri):
            return None
        ours = _md5(f"{self._access.user}:{REALM}:{self._access.password}")
        if "qop" in given:
            middle = ":".join((nonce, given.get("nc", ""), given.get("cnonce", ""), given["qop"]))
        else:
            middle = nonce
        expected = _md5(f"{ours}:{middle}:{_md5(f'{request.method}:{uri}')}")
        known = _equal(given.get("username", ""), self._access.user)
        right = _equal(given.get("response", "").lower(), expected)
        return nonce if known and right else None


def _split(request: Request) -> tuple[str, str]:
    """Return scheme and rest of the Authorization header; both empty where there is none."""
    scheme, _, value = (request.headers.first("Authorization") or "").strip().partition(" ")
    return scheme.lower(), value.strip()


def _about(uri: str, asked: str) -> bool:
    """Say whether a digest's URI means what is asked for, or the channel that it belongs to."""
    one, other = _path(uri), _path(asked)
    return one == other or bool(one and other.startswith(one + "/"))


def _path(url: str) -> str:
    """Return what stands behind the host, with its query, without a slash at the end."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.path + ("?" + parts.query if parts.query else "")).rstrip("/")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _equal(one: str | bytes, other: str) -> bool:
    """Compare without telling how much is equal, nor how long they are."""
    left = one.encode() if isinstance(one, str) else one
    return hmac.compare_digest(
        hashlib.sha256(left).digest(), hashlib.sha256(other.encode()).digest()
    )

"""RTSP authentication as a client: Digest (RFC 2617, RFC 7616) before Basic (RFC 7617)."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

_SCHEME = re.compile(r"(?:^|,)\s*(digest|basic)\s+", re.IGNORECASE)
_FIELD = re.compile(r'(?<![\w-])([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*))')
"""The look behind keeps the search linear: in a long name it would begin at each letter."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*("?)')
"""A quoted text, or one that does not end: without the latter the search is quadratic."""
_HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "SHA-256": hashlib.sha256,
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data),
}
_SESSION = "-SESS"
_PREFERENCE = ("SHA-512-256", "SHA-256", "MD5")


class Challenge(NamedTuple):
    """One way to authenticate that a server offers."""

    scheme: str
    """`digest` or `basic`."""
    fields: dict[str, str]

    @property
    def algorithm(self) -> str:
        """Name of the hash, in capitals, without `-sess`."""
        return self.fields.get("algorithm", "MD5").upper().removesuffix(_SESSION)


class Credentials(NamedTuple):
    """User and password; `repr` keeps them."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(***)"


def choose(headers: Iterable[str]) -> Challenge | None:
    """Return the best challenge of all WWW-Authenticate headers that can be answered.

    Digest with the strongest hash first; Basic, which shows the password to anyone on the way,
    only if the server offers nothing else.
    """
    offered = [challenge for header in headers for challenge in _challenges(header)]
    for hash_name in _PREFERENCE:
        for challenge in offered:
            if challenge.scheme == "digest" and challenge.algorithm == hash_name:
                return challenge
    return next((challenge for challenge in offered if challenge.scheme == "basic"), None)


def authorize(
    challenge: Challenge, credentials: Credentials, request: tuple[str, str], count: int, nonce: str
) -> str:
    """Return the Authorization header of a request.

    `request` is its method and URL, `count` how often this challenge has been answered, from 1,
    `nonce` a fresh random text of the caller's.
    """
    if challenge.scheme == "basic":
        pair = f"{credentials.username}:{credentials.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    return "Digest " + ", ".join(
        f'{name}="{_quoted(value)}"'
        if name not in ("algorithm", "qop", "nc")
        else f"{name}={value}"
        for name, value in _digest(challenge, credentials, request, count, nonce).items()
    )


def _digest(
    challenge: Challenge, credentials: Credentials, request: tuple[str, str], count: int, nonce: str
) -> dict[str, str]:
    given = challenge.fields
    realm, server_nonce = given.get("realm", ""), given.get("nonce", "")
    method, url = request

    def hashed(text: str) -> str:
        return _HASHES[challenge.algorithm](text.encode()).hexdigest()

    secret = hashed(f"{credentials.username}:{realm}:{credentials.password}")
    if given.get("algorithm", "").upper().endswith(_SESSION):
        secret = hashed(f"{secret}:{server_nonce}:{nonce}")
    what = hashed(f"{method}:{url}")
    answer = {"username": credentials.username, "realm": realm, "nonce": server_nonce, "uri": url}
    if "auth" in [choice.strip().lower() for choice in given.get("qop", "").split(",")]:
        number = f"{count:08x}"
        response = hashed(f"{secret}:{server_nonce}:{number}:{nonce}:auth:{what}")
        answer |= {"response": response, "qop": "auth", "nc": number, "cnonce": nonce}
    else:
        answer["response"] = hashed(f"{secret}:{server_nonce}:{what}")
        if given.get("algorithm", "").upper().endswith(_SESSION):
            answer["cnonce"] = nonce
    return answer | {name: given[name] for name in ("algorithm", "opaque") if name in given}


def _challenges(header: str) -> list[Challenge]:
    """Split a header that may hold several challenges; quoted commas do not count."""
    masked = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]) if quoted[1] else quoted[0], header)
    found = list(_SCHEME.finditer(masked))
    ends = [*(scheme.start() for scheme in found), len(header)][1:]
    return [
        Challenge(scheme[1].lower(), _fields(header[scheme.end() : end]))
        for scheme, end in zip(found, ends, strict=True)
    ]


def _fields(text: str) -> dict[str, str]:
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _FIELD.findall(text)
    }


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')

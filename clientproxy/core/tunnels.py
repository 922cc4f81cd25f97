"""Which GET and which POST are one tunnel (RTSP over HTTP).

Rules
-----
1. Halves are paired by cookie, whichever of them comes first.
2. A half that has never met the other one within `PAIR_TIMEOUT` ends.
3. A further POST takes the place of the one before, which ends: some players open one per request.
   Without a POST, a tunnel that was whole once stays: its GET decides.
4. A second GET under one cookie is refused, and so is a half above `MAX_HALVES`.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from common.errors import RtspError

PAIR_TIMEOUT = 5.0
MAX_HALVES = 128
"""Cookies that are known at a time."""

L = TypeVar("L")
"""A link: one connection."""


@dataclass(slots=True)
class _Pair(Generic[L]):
    since: float
    get: L | None = None
    post: L | None = None
    met: bool = False


class Tunnels(Generic[L]):
    """All tunnels by cookie."""

    def __init__(self) -> None:
        self._pairs: dict[str, _Pair[L]] = {}

    def __len__(self) -> int:
        """Return how many cookies are known."""
        return len(self._pairs)

    def opened(self, cookie: str, get: L, now: float) -> L | None:
        """Take a GET, return the POST that waits for it. Raises RtspError: 400 or 503."""
        pair = self._pair(cookie, now)
        if pair.get is not None:
            raise RtspError(400, "x-sessioncookie of another tunnel")
        pair.get = get
        pair.met = pair.post is not None
        return pair.post

    def posted(self, cookie: str, post: L, now: float) -> tuple[L | None, L | None]:
        """Take a POST, return its GET where that is there, and the POST before it.

        Raises RtspError(503).
        """
        pair = self._pair(cookie, now)
        before, pair.post = pair.post, post
        pair.met = pair.met or pair.get is not None
        return pair.get, before

    def lost(self, link: L) -> L | None:
        """Forget a link that has ended; return the POST that ends with its GET."""
        for cookie, pair in self._pairs.items():
            if pair.get is link:
                del self._pairs[cookie]
                return pair.post
            if pair.post is link:
                pair.post = None
                if pair.get is None:
                    del self._pairs[cookie]
                return None
        return None

    def get_of(self, post: L) -> L | None:
        """Return the GET of a POST."""
        return next((pair.get for pair in self._pairs.values() if pair.post is post), None)

    def expired(self, now: float) -> list[L]:
        """Return the halves that have waited in vain; `lost` forgets them."""
        return [
            link
            for pair in self._pairs.values()
            if not pair.met and now - pair.since > PAIR_TIMEOUT
            for link in (pair.get, pair.post)
            if link is not None
        ]

    def _pair(self, cookie: str, now: float) -> _Pair[L]:
        if cookie not in self._pairs and len(self._pairs) >= MAX_HALVES:
            raise RtspError(503, f"{MAX_HALVES} tunnels already")
        return self._pairs.setdefault(cookie, _Pair(now))

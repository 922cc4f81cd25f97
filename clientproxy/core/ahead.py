"""Finds out that what a node holds of a stripe is ahead of all that is to come.

A parent that lies, once, can send a number from far ahead and leave: all that honest parents send
after it counts as old, and the picture stops.

Rules
-----
1. What the node holds has not grown for `AHEAD_FOR` seconds, a parent is behind it and goes on, and
   would not come there within `NEAR_WITHIN` seconds more: the node holds what there is not.
2. A parent whose newest number falls has found that out itself: its children need no more proof
   than that what they hold has not grown for as long.
3. Only back into a leap: where the node's numbers rose by more than any source sends in a second.
   What it holds but for leaps was sent, however far a slow parent is behind it, or says that it is.
4. A parent that is starved, or has nothing new, says nothing: the source may be idle. Who is a
   little late, because it is catching up, comes there.
"""

AHEAD_FOR = 3.0
"""Seconds for which a parent goes on far behind what the node holds, which does not grow."""
NEAR_WITHIN = 10.0
"""Seconds within which a parent that is only late comes to what the node holds."""

LEAP = 20_000
"""Sequence numbers by which a stripe rises within `_WITHIN_US`: more were not all sent."""
_WITHIN_US = 1_000_000
MOST_LEAPS = 8
"""Leaps that are remembered for each stripe; more than that count as one with what is between."""


class Leaps:
    """Where the numbers that a node holds of one stripe rose by more than there can have been."""

    __slots__ = ("_began_us", "_from", "_leaps")

    def __init__(self) -> None:
        self._leaps: list[tuple[int, int]] = []
        self._from = self._began_us = 0

    def rose(self, held: int, newest: int, now_us: int) -> None:
        """Note that the node held `held`, and `newest` now."""
        if not 0 <= now_us - self._began_us < _WITHIN_US:
            self._from, self._began_us = held, now_us
        if newest - self._from <= LEAP:
            return
        if self._leaps and self._leaps[-1][1] >= self._from:
            self._from = self._leaps.pop()[0]
        self._leaps.append((self._from, newest))
        self._from = newest
        if len(self._leaps) > MOST_LEAPS:
            self._leaps[:2] = [(self._leaps[0][0], self._leaps[1][1])]

    def over(self, newest: int) -> bool:
        """Return whether a parent that has come to `newest` has not come over a leap."""
        return any(before <= newest < after for before, after in self._leaps)

    def forget(self) -> None:
        """Begin anew: the numbers that have leapt are held no longer."""
        self._leaps.clear()
        self._from = self._began_us = 0


class Ahead:
    """What one parent has of a stripe, compared with what the node holds."""

    __slots__ = ("_from", "_own", "_rises_since", "_same_since", "_told")

    def __init__(self) -> None:
        self._own = self._told = self._from = 0
        self._same_since = self._rises_since = 0.0

    def told(self, newest: int, own: int, now: float, *, starved: bool) -> bool:
        """Take a heartbeat; return whether what the node holds is never to be reached.

        `newest` is the number that the parent has, `own` the node's; 0: none.
        """
        if not newest:
            return False  # it has forgotten what it held, and has nothing new yet
        before, self._told = self._told, newest
        if own != self._own:
            self._own, self._same_since, self._from = own, now, newest
        if starved or newest >= own or newest <= self._from:
            self._from, self._rises_since = newest, now
            return newest < min(before, own) and now - self._same_since >= AHEAD_FOR
        seconds = now - self._rises_since
        near = (newest - self._from) * NEAR_WITHIN
        return seconds >= AHEAD_FOR and (own - newest) * seconds > near

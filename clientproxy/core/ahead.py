"""Finds out that what a node holds of a stripe is ahead of all that is to come.

A parent that lies, once, can send a number from far ahead and leave: all that honest parents send
after it counts as old, and the picture stops.

Rules
-----
1. What the node holds has not grown for `AHEAD_FOR` seconds, a parent is behind it and goes on, and
   would not come there within `NEAR_WITHIN` seconds more: the node holds what there is not.
2. A parent whose newest number falls has found that out itself: its children need no more proof
   than that what they hold has not grown for as long.
3. A parent that is starved, or has nothing new, says nothing: the source may be idle. Who is a
   little late, because it is catching up, comes there.
"""

AHEAD_FOR = 3.0
"""Seconds for which a parent goes on far behind what the node holds, which does not grow."""
NEAR_WITHIN = 10.0
"""Seconds within which a parent that is only late comes to what the node holds."""


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

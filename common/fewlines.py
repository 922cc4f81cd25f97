"""How many lines of a log are about the same: a peer could else have one written at will."""

MAX_KNOWN = 1024
"""Of so many lines are counted; then who was longest without one is forgotten."""


class FewLines:
    """Counts the lines about each of many within some time."""

    def __init__(self, within: float) -> None:
        """Begin to count anew after `within`, in the unit of `now`."""
        self._within = within
        self._lines: dict[str, tuple[float, int]] = {}
        """Since when lines about each are counted, and how many there were."""

    def count(self, about: str, now: float) -> int:
        """Return how many lines with this one are about the same by now: 1 is the first."""
        since, lines = self._lines.pop(about, (now, 0))
        if now - since >= self._within:
            since, lines = now, 0
        self._lines[about] = since, lines + 1
        if len(self._lines) > MAX_KNOWN:
            del self._lines[next(iter(self._lines))]
        return lines + 1

    def forget(self, about: str) -> None:
        """Forget what is no more."""
        self._lines.pop(about, None)

"""How long to wait before the next try."""

_MOST_DOUBLINGS = 30
"""Enough for any delay; keeps the power finite."""


class Backoff:
    """Delays that double with every failure, spread by jitter so that peers do not come at once.

    The n-th delay lies between one half and the whole of `first * 2**n`, at most `most` seconds.
    """

    def __init__(self, first: float = 0.25, most: float = 5.0) -> None:
        if not 0 < first <= most:
            raise ValueError(f"first delay {first} must lie above 0 and not above {most}")
        self._first, self._most, self._tries = first, most, 0

    def next(self, jitter: float) -> float:
        """Return the seconds to wait now; `jitter` is a random number in 0..1 of the caller's."""
        step = min(self._first * 2.0**self._tries, self._most)
        self._tries = min(self._tries + 1, _MOST_DOUBLINGS)
        return step * (1 + min(max(jitter, 0.0), 1.0)) / 2

    def reset(self) -> None:
        """Begin again with the first delay: something has worked."""
        self._tries = 0

"""Whom of those that wait the server proxy dials back next.

Rules
-----
1. Hosts that wait take turns, so that no crowd at one of them keeps the others waiting. Within a
   host the newest comes first: who has waited for long has its place without slots already.
2. Most nodes answer at once. A dial that has not done so hangs: its place is given to the next.
3. Who answers costs nothing; a host at which several dials hang gets no further one meanwhile.
"""

from collections import Counter
from dataclasses import dataclass

MAX_AT_ONCE = 128
"""Nodes that are dialled at the same time, besides those whose dial hangs: a thousand that join in
one second are all dialled within that second, 0.12 s each."""
MAX_AT_ONE_HOST = 16
"""The same of those that joined from one host, and with those whose dial hangs."""
MAX_HANGING = 4
"""Dials of one host that hang, from which on no further one of that host begins."""


@dataclass(slots=True, eq=False)
class Turn:
    """One node that is to be dialled."""

    host: str
    """The host that it joined from, not one that it says it has."""


class Turns:
    """The dials of one channel, from when they are wanted until they have ended."""

    def __init__(self) -> None:
        """Start with none."""
        self._waiting: dict[str, list[Turn]] = {}
        """By host; the host whose turn it is comes first."""
        self._at_once: set[Turn] = set()
        self._begun = Counter[str]()
        self._hanging = Counter[str]()

    def wait(self, turn: Turn) -> None:
        """Let a node wait for its turn."""
        self._waiting.setdefault(turn.host, []).append(turn)

    def due(self) -> list[Turn]:
        """Return whose dial begins now."""
        due = list[Turn]()
        while len(self._at_once) < MAX_AT_ONCE:
            host = next(filter(self._may_begin, self._waiting), None)
            if host is None:
                break
            turns = self._waiting.pop(host)
            due.append(turns.pop())
            if turns:
                self._waiting[host] = turns
            self._at_once.add(due[-1])
            self._begun[host] += 1
        return due

    def hangs(self, turn: Turn) -> None:
        """Note that a dial that has begun is not answered at once."""
        self._at_once.remove(turn)
        self._hanging[turn.host] += 1

    def end(self, turn: Turn) -> None:
        """Note that a node was dialled, or shall not be any more."""
        waiting = self._waiting.get(turn.host, [])
        if turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[turn.host]
            return
        if turn in self._at_once:
            self._at_once.remove(turn)
        else:
            _less(self._hanging, turn.host)
        _less(self._begun, turn.host)

    def _may_begin(self, host: str) -> bool:
        return self._begun[host] < MAX_AT_ONE_HOST and self._hanging[host] < MAX_HANGING


def _less(counts: Counter[str], host: str) -> None:
    counts[host] -= 1
    if not counts[host]:
        del counts[host]

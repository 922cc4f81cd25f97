"""What has happened lately in one channel, for those who watch the trees: joins, repairs, ends.

Rules
-----
1. The last `REMEMBERED` happenings are kept, with a number that grows by one each.
2. What was announced is no news: a node that reports the parent which it has, an orphan that asks
   again, the first parents of a newcomer.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from common.ids import NodeId, Stripe
from common.messages import AttachedReport, ParentLost
from serverproxy.core.members import (
    Command,
    ControlLost,
    Event,
    Forgotten,
    Reached,
    Refuse,
    Told,
)

REMEMBERED = 60
"""Happenings that are kept."""

Kind: TypeAlias = Literal[
    "joined", "left", "away", "back", "reached", "refused", "orphaned", "repaired", "moved",
    "source_up", "source_down", "asked",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that has happened."""

    number: int
    at_us: int
    """Group time."""
    kind: Kind
    node: str | None = None
    stripe: int | None = None
    parent: str | None = None
    """The parent that the node has now."""
    before: str | None = None
    """The parent that it had."""
    reason: str | None = None


class Chronicle:
    """The happenings of one channel."""

    def __init__(self, tell: Callable[[Happening], None] = lambda _: None) -> None:
        """Start with none; `tell` is called with each."""
        self._tell = tell
        self._kept: deque[Happening] = deque(maxlen=REMEMBERED)
        self._number = 0
        self.counts: dict[str, int] = dict.fromkeys(get_args(Kind), 0)
        """Happenings of each kind since the start."""
        self._orphans: dict[tuple[NodeId, Stripe], ParentLost] = {}

    @property
    def happenings(self) -> Sequence[Happening]:
        """The last ones, the oldest first."""
        return tuple(self._kept)

    def add(  # noqa: PLR0913 - the fields of a Happening, each by its name
        self,
        kind: Kind,
        at_us: int,
        *,
        node: str | None = None,
        stripe: int | None = None,
        parent: str | None = None,
        before: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Note a happening."""
        self._number += 1
        self.counts[kind] += 1
        new = Happening(self._number, at_us, kind, node, stripe, parent, before, reason)
        self._kept.append(new)
        self._tell(new)

    def event(
        self, event: Event, parent_of: Callable[[NodeId, Stripe], NodeId | None], at_us: int
    ) -> None:
        """Take an event before the membership does; `parent_of` says where a member hangs.

        It returns None for who hangs nowhere.
        """
        match event:
            case Told(node, AttachedReport() as report):
                self._attached(node, report, parent_of, at_us)
            case Told(node, ParentLost() as lost):
                self._lost(node, lost, at_us)
            case ControlLost(node):
                self.add("away", at_us, node=node)
            case Reached(node):
                self.add("reached", at_us, node=node)
            case _:
                pass

    def commands(self, commands: Sequence[Command], at_us: int) -> None:
        """Take what the membership says is to be done."""
        for command in commands:
            match command:
                case Refuse(node, reason):
                    self.add("refused", at_us, node=node, reason=reason)
                case Forgotten(node):
                    self.add("left", at_us, node=node)
                    self._orphans = {
                        key: lost for key, lost in self._orphans.items() if key[0] != node
                    }
                case _:
                    pass

    def _lost(self, node: NodeId, lost: ParentLost, at_us: int) -> None:
        key = (node, Stripe(lost.stripe))
        if lost.parent is None or key in self._orphans:
            return
        self._orphans[key] = lost
        self.add(
            "orphaned",
            at_us,
            node=node,
            stripe=lost.stripe,
            before=lost.parent,
            reason=lost.reason,
        )

    def _attached(
        self,
        node: NodeId,
        report: AttachedReport,
        parent_of: Callable[[NodeId, Stripe], NodeId | None],
        at_us: int,
    ) -> None:
        stripe = Stripe(report.stripe)
        orphaned, had = self._orphans.pop((node, stripe), None), parent_of(node, stripe)
        before = report.lost or (had if orphaned is None else orphaned.parent)
        if before is None or before == report.parent:
            return
        broken = report.lost is not None or orphaned is not None
        reason = report.reason if orphaned is None else orphaned.reason
        self.add(
            "repaired" if broken else "moved",
            at_us,
            node=node,
            stripe=stripe,
            parent=report.parent,
            before=before,
            reason=reason,
        )

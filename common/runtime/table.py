"""Plain tables that fit a terminal: columns are cut, then left out, the least needed first."""

import textwrap
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

Tone: TypeAlias = Literal["", "head", "good", "bad"]
GAP = "  "
CUT = "…"
BETWEEN = " · "


class Line(NamedTuple):
    """One line of text, and what it is: a heading, good news or bad news."""

    text: str
    tone: Tone = ""


class Column(NamedTuple):
    """One column. What `need` is least goes first where the width does not suffice."""

    title: str
    need: int = 0
    right: bool = False
    """Numbers stand at the right."""
    least: int = 0
    """It may be cut down to so many characters; 0: it is never cut."""


def cut(text: str, width: int) -> str:
    """Return a text of at most `width` characters."""
    return text if len(text) <= width else text[: max(0, width - 1)] + CUT


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the titles and a line for each row, none longer than `width`."""
    kept = list(range(len(columns)))
    cells = [[column.title for column in columns], *rows]
    while True:
        widths = {i: max(len(row[i]) for row in cells) for i in kept}
        excess = sum(widths.values()) + len(GAP) * (len(kept) - 1) - width
        if _cut_down(columns, widths, excess) or len(kept) == 1:
            break
        kept.remove(min(reversed(kept), key=lambda i: columns[i].need))
    return [cut(_line(columns, widths, row), width) for row in cells]


def _cut_down(columns: Sequence[Column], widths: dict[int, int], excess: int) -> bool:
    """Take `excess` characters from columns that can be cut, the widest first; say if it went."""
    while excess > 0:
        spare = {i: w for i, w in widths.items() if 0 < columns[i].least < w}
        if not spare:
            return False
        widths[max(spare, key=lambda i: spare[i])] -= 1
        excess -= 1
    return True


def _line(columns: Sequence[Column], widths: dict[int, int], row: Sequence[str]) -> str:
    cells = (
        cut(row[i], width).rjust(width) if columns[i].right else cut(row[i], width).ljust(width)
        for i, width in widths.items()
    )
    return GAP.join(cells).rstrip()


def wrapped(text: str, width: int, tone: Tone = "") -> list[Line]:
    """Return a sentence as lines; all but the first are indented."""
    return [Line(one, tone) for one in textwrap.wrap(text, max(20, width), subsequent_indent=GAP)]


def facts(parts: Sequence[str], width: int) -> list[Line]:
    """Return short facts side by side, as many in a line as fit."""
    found: list[str] = []
    for part in parts:
        if found and len(found[-1]) + len(BETWEEN) + len(part) <= width:
            found[-1] += BETWEEN + part
        else:
            found.append(cut(f"{GAP}{part}" if found else part, width))
    return [Line(one) for one in found]


def shortened(groups: Sequence[Sequence[Line]], height: int | None, more: str) -> list[Line]:
    """Return groups of lines, each whole, `height` lines at most.

    `more` says, with {}, how many groups are left out.
    """
    if height is None or sum(map(len, groups)) <= height:
        return [line for group in groups for line in group]
    found: list[Line] = []
    for shown, group in enumerate(groups):
        if len(found) + len(group) >= height:
            return [*found, Line(more.format(len(groups) - shown), "head")]
        found += group
    return found


def fitted(lines: Sequence[Line], width: int, height: int | None) -> list[Line]:
    """Return what fits of lines that mostly do."""
    return [Line(cut(line.text, width), line.tone) for line in lines[:height]]

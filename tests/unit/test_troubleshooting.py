"""docs/troubleshooting.md quotes what the daemons really say, and the pages name what there is."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from clientproxy.metrics import NODE, PLAYERS
from common.runtime.metrics import LAG
from serverproxy.metrics import CHANNEL

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "troubleshooting.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = ("common", "serverproxy", "clientproxy")
SAID_LITERALLY = 0.5
"""Share of a quotation that has to stand in the code word for word; the rest was put in."""

_PUT_IN = re.compile(r"%[-+ #0]*[\d.]*[sdrfgi]|\{\w*\}")
QUOTATIONS = re.findall(r'`"([^`]+)"`', DOC.read_text())


def constants(tree: ast.AST) -> Iterator[list[str]]:
    """Return each text of a module, cut where something is put in."""
    within = set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            within.update(map(id, node.values))
            fixed = [one.value if isinstance(one, ast.Constant) else "\0" for one in node.values]
            yield "".join(map(str, fixed)).split("\0")
        elif isinstance(node, ast.Constant) and id(node) not in within:
            yield _PUT_IN.split(str(node.value))


@cache
def texts() -> list[list[str]]:
    """Return all texts of the code, without backquotes."""
    files = [file for folder in CODE for file in (ROOT / folder).rglob("*.py")]
    found = [parts for file in files for parts in constants(ast.parse(file.read_text()))]
    return [[part.replace("`", "") for part in parts] for parts in found]


def is_said(quotation: str) -> bool:
    """Whether it is a text of the code, or a part of one, with something put in."""
    least = SAID_LITERALLY * len(quotation)
    return any(
        any(quotation in part for part in parts)
        or (
            sum(map(len, parts)) >= least
            and all(part in quotation for part in parts)
            and re.search("(.+)".join(map(re.escape, parts)), quotation) is not None
        )
        for parts in texts()
    )


@pytest.mark.parametrize("quotation", QUOTATIONS)
def test_a_daemon_says_what_is_quoted(quotation: str) -> None:
    assert is_said(quotation)


def test_what_no_daemon_says_is_noticed() -> None:
    assert not is_said("the server proxy is on holiday until Monday")
    assert not is_said("the source has other codecs tomorrow")
    assert len(QUOTATIONS) > 20


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings have on GitHub."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())
    targets = [((page.parent / name) if name else page, anchor) for name, anchor in links]
    assert [anchor for target, anchor in targets if anchor not in anchors(target)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_metric_that_a_page_names_is_one(page: Path) -> None:
    families = [(one.kind, one.name) for one in CHANNEL]
    families += [(one.kind, one.name) for one in NODE]
    families += [(one.kind, one.name) for one in PLAYERS]
    families += [(one.kind, one.name) for one in LAG]
    known = {f"{name}_total" if kind == "counter" else name for kind, name in families}
    named = set(re.findall(r"stripecast_[a-z_]+[a-z](?![\w.…]|/)", page.read_text()))
    assert named - known == set()

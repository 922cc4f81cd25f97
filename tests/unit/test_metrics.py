"""`docs/metrics.md` lists what the daemons show at /metrics: all of it and nothing else."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from clientproxy.metrics import NODE, PLAYERS, ClientMetrics, PlayerMetrics
from clientproxy.net.rtsp.stats import ServerStats
from common.runtime.metrics import LAG, LoopLag, registry
from serverproxy.metrics import CHANNEL, ServerMetrics

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs" / "metrics.md").read_text()

SERVER = registry(LoopLag(), ServerMetrics({}))
CLIENT = registry(LoopLag(), ClientMetrics(list), PlayerMetrics(ServerStats()))
HEAD = "| metric | type | labels | unit | meaning | when it is odd |"
Row = tuple[str, str, str]
"""Name as it is scraped, type, meaning."""


def rows(section: str) -> list[list[str]]:
    """Return the cells of a section's table."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", DOC, re.MULTILINE | re.DOTALL)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == HEAD
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def documented(*sections: str) -> set[Row]:
    found = [(row[0].strip("`"), row[1], row[4]) for one in sections for row in rows(one)]
    assert len(set(found)) == len(found)
    return set(found)


def scraped(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


def shown(by: CollectorRegistry) -> set[Row]:
    return {(scraped(one.name, one.type), one.type, one.documentation) for one in by.collect()}


@pytest.mark.parametrize(
    ("section", "by"),
    [("Server proxy", SERVER), ("Client proxy", CLIENT)],
    ids=["server", "client"],
)
def test_the_document_and_the_registry_agree(section: str, by: CollectorRegistry) -> None:
    assert documented(section, "Both") == shown(by)


LABELS = {
    "Server proxy": {scraped(one.name, one.kind): one.labels for one in CHANNEL},
    "Client proxy": {
        **{scraped(one.name, one.kind): one.labels for one in NODE},
        **{scraped(one.name, one.kind): one.labels for one in PLAYERS},
    },
    "Both": {scraped(one.name, one.kind): one.labels for one in LAG},
}


@pytest.mark.parametrize("section", LABELS)
def test_the_labels_are_those_of_the_tables(section: str) -> None:
    found = {row[0].strip("`"): row[2] for row in rows(section)}
    ours = {name: keys for name, keys in found.items() if name.startswith("stripecast_")}
    assert ours == {name: ", ".join(labels) for name, labels in LABELS[section].items()}
    assert {keys for name, keys in found.items() if name not in ours} <= {""}


def test_the_unit_is_the_one_that_the_name_says() -> None:
    for row in [*rows("Server proxy"), *rows("Client proxy"), *rows("Both")]:
        (found,) = re.findall(r"_(bytes|seconds|packets)(?:_total)?`$", row[0]) or [""]
        named = "packets" if "_packets_" in row[0] else found
        if row[3] != "packets" or named:
            assert row[3] == {"seconds": "s"}.get(named, named), row[0]


def test_labels_come_from_closed_sets() -> None:
    """An address or a node among them would leave series behind for ever."""
    keys = {label for section in LABELS.values() for labels in section.values() for label in labels}
    assert keys == {"channel", "stripe", "reason", "kind", "result"}

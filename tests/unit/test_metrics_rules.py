"""Alerts and dashboard name only what there is, and every alert has its entry and its tests."""

import json
import re
from pathlib import Path

import pytest
import yaml

from clientproxy.metrics import NODE, PLAYERS
from common.runtime.metrics import LAG
from serverproxy.metrics import CHANNEL
from tests.support.prometheus import (
    CONFIG,
    DASHBOARD,
    RULE_TESTS,
    RULES,
    alerts,
    expressions,
    grouped,
    named,
)

ROOT = Path(__file__).parents[2]
METRICS = (ROOT / "docs" / "metrics.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
OF_TARGET = {"job", "instance"}

EXPRESSIONS = [*alerts().values(), *expressions()]


def series() -> dict[str, set[str]]:
    """Return every series name with its labels."""
    found: dict[str, set[str]] = {"up": set()}
    families = [(one.kind, one.name, one.labels) for one in CHANNEL]
    families += [(one.kind, one.name, one.labels) for one in NODE]
    families += [(one.kind, one.name, one.labels) for one in PLAYERS]
    families += [(one.kind, one.name, one.labels) for one in LAG]
    for kind, name, labels in families:
        if kind == "histogram":
            found[f"{name}_bucket"] = {*labels, "le"}
            found |= {f"{name}_{part}": set(labels) for part in ("count", "sum")}
        else:
            found[f"{name}_total" if kind == "counter" else name] = set(labels)
    found |= {name: set() for name in re.findall(r"^\| `(process_\w+)`", METRICS, re.MULTILINE)}
    return found


SERIES = series()


def test_what_an_expression_names_is_found() -> None:
    text = 'sum by (job, le) (rate(a_bucket{kind="x y",z!~"q"}[5m])) > on (c) group_left () d and 1'
    assert named(text) == {"a_bucket": {"kind", "z"}, "d": set()}
    assert grouped(text) == {"job", "le", "c"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_only_metrics_and_labels_that_exist(expression: str) -> None:
    names = named(expression)
    assert names
    assert names.keys() <= SERIES.keys()
    for name, labels in names.items():
        assert labels <= SERIES[name] | OF_TARGET, name
    known = set().union(*(SERIES[name] for name in names))
    assert grouped(expression) <= known | OF_TARGET
    for values in re.findall(r'\b(?:kind|reason|result)\s*[!=]~?\s*"([^"]*)"', expression):
        for value in values.split("|"):
            assert re.search(rf"\b{value}\b", METRICS), value


def test_every_alert_has_its_entry_in_the_operations_and_no_entry_lacks_its_alert() -> None:
    entries = re.findall(r"^### (Stripecast\w+)$", OPERATIONS, re.MULTILINE)
    assert sorted(entries) == sorted(alerts())
    for entry in re.findall(
        r"^### Stripecast\w+\n(.*?)(?=^##|\Z)", OPERATIONS, re.MULTILINE | re.DOTALL
    ):
        assert "\nLook: " in entry
        assert " Do: " in entry


def test_every_alert_has_a_severity_that_is_explained_and_a_sentence() -> None:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['labels']['severity']}`: " in OPERATIONS
            assert rule["annotations"]["summary"]


def test_every_alert_has_a_test_of_when_it_rings_and_of_when_it_does_not() -> None:
    tests = {one["name"]: one for one in yaml.safe_load(RULE_TESTS.read_text())["tests"]}
    assert tests.keys() == alerts().keys()
    for name, one in tests.items():
        (case,) = one["alert_rule_test"]
        assert case["alertname"] == name
        (rings,) = case["exp_alerts"]
        quiet = [
            line["series"]
            for line in one["input_series"]
            if not all(
                f'{key}="{rings["exp_labels"][key]}"' in line["series"]
                for key in ("instance", "channel", "stripe")
                if key in rings["exp_labels"]
            )
        ]
        assert quiet, f"{name}: nothing that has to stay quiet"


def test_the_dashboard_is_one_that_grafana_can_place() -> None:
    board = json.loads(DASHBOARD.read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert max(x for x, _ in cells) < 24
    for panel in panels:
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["targets"]
            assert panel["datasource"]["uid"] == "${datasource}"


def test_the_example_scrapes_the_default_ports_of_both_daemons() -> None:
    jobs = yaml.safe_load(CONFIG.read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    assert targets == {
        "stripecast-server": ["127.0.0.1:9854"],
        "stripecast-client": ["127.0.0.1:9855"],
    }

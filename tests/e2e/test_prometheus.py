"""A real Prometheus scrapes both daemons, and answers what the API says (row S36)."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import Daemon
from tests.support.fleet import CHANNEL, Fleet
from tests.support.players import FfmpegPlayer
from tests.support.processes import wait_until
from tests.support.prometheus import (
    CONFIG,
    DASHBOARD,
    RULE_TESTS,
    RULES,
    Prometheus,
    alerts,
    expressions,
    program,
)
from tests.support.sources import ROOT

pytestmark = pytest.mark.e2e

SOURCE = "testcard:?size=320x180&rate=15"


def promtool(*arguments: str, text: str | None = None) -> str:
    """Run promtool; it has to be content."""
    done = subprocess.run(
        [program("promtool"), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_promtool_takes_the_rules_and_the_example() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", str(RULES))
    assert "is valid" in promtool("check", "config", str(CONFIG))


def test_every_alert_rings_when_it_shall_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(RULE_TESTS))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path, SOURCE, 3) as fleet:
        player = FfmpegPlayer(fleet.clients[0].url(CHANNEL), tmp_path, 300.0, "tcp")
        player.wait_picture()
        fleet.settle()
        yield fleet
        player.terminate()


@pytest.fixture
def prometheus(fleet: Fleet, tmp_path: Path) -> Iterator[Prometheus]:
    clients = [client.http for client in fleet.clients]
    targets = {"stripecast-server": [fleet.server.http], "stripecast-client": clients}
    with Prometheus(tmp_path, targets) as prometheus:
        wait_until(lambda: len(prometheus.query("up == 1")) == 4, 30, "all four scraped", 0.2)
        yield prometheus


def test_prometheus_answers_what_the_api_says(fleet: Fleet, prometheus: Prometheus) -> None:
    # At each moment one of the two may be a scrape behind.
    wait_until(lambda: _agree(fleet, prometheus), 60, "Prometheus and the API agree", 0.5)
    _same_counters(fleet, prometheus)
    _same_names(fleet, prometheus)
    _dashboard(prometheus)
    _rules(fleet, prometheus)


def _agree(fleet: Fleet, prometheus: Prometheus) -> bool:
    api, one = _channel(fleet), f'{{channel="{CHANNEL}"}}'
    pairs = [
        (f"stripecast_nodes{one}", api["nodes"]),
        (f"stripecast_source_up{one}", int(bool(api["source_up"]))),
        (f"stripecast_reported_players{one}", api["players"]),
        ("sum(stripecast_players)", api["players"]),
        ('stripecast_joins_total{result="ok"}', _in(api, "joins", "ok")),
        # Every node has a parent in each of the two stripes, and is the child of one.
        ("sum(stripecast_attached)", 6),
        ("sum(stripecast_children)", 6),
        ("sum(stripecast_orphans)", 0),
        ("min(stripecast_joined)", 1),
        ("min(stripecast_control_up)", 1),
        ("stripecast_source_pulls_total", 1),
        ('stripecast_events_total{kind="joined"}', 3),
        ("sum(stripecast_rtsp_sessions)", 1),
    ]
    # What grows in each daemon, or is there in each stripe.
    pairs += [
        (f"count({grows} > 0)", count)
        for grows, count in (
            ("stripecast_event_loop_lag_seconds_count", 4),
            ("stripecast_log_bytes", 8),
            ("stripecast_log_seconds", 8),
            ("stripecast_slots", 3),
            ("stripecast_delay_seconds_count", 3),
            ("stripecast_received_bytes_total", 6),
            ("stripecast_rtsp_sent_packets_total", 1),
            ('stripecast_source_track_packets_total{kind="video"}', 1),
            ("stripecast_source_keyframes_total", 1),
        )
    ]
    for stripe, depth in enumerate(_list(api["depths"])):
        pairs.append((f'stripecast_tree_depth{{stripe="{stripe}"}}', depth))
    whole = (api["nodes"], api["source_up"], api["players"]) == (3, True, 1)
    return whole and all(prometheus.number(asked) == said for asked, said in pairs)


def _same_counters(fleet: Fleet, prometheus: Prometheus) -> None:
    """Expect that what grows lies between what the API says before the scrape and after it."""
    before = _channel(fleet)
    prometheus.wait_scraped("stripecast_source_bytes_total")
    found = {
        "source_bytes": prometheus.number("stripecast_source_bytes_total"),
        "source_packets": prometheus.number("stripecast_source_packets_total"),
        "sent_bytes": prometheus.number("sum(stripecast_sent_bytes_total)"),
    }
    kinds = prometheus.number("sum(stripecast_source_track_packets_total)")
    after = _channel(fleet)
    for key, value in found.items():
        assert value is not None
        assert _sum(before[key]) <= value <= _sum(after[key]), key
    assert kinds is not None
    assert _sum(before["source_packets"]) <= kinds <= _sum(after["source_packets"])
    assert found["source_packets"] != 0


def _same_names(fleet: Fleet, prometheus: Prometheus) -> None:
    """Compare what the daemons show with docs/metrics.md; promtool finds no fault in it."""
    documented = (ROOT / "docs" / "metrics.md").read_text()
    both = _section(documented, "Both")
    of_server = _section(documented, "Server proxy") | both
    of_client = _section(documented, "Client proxy") | both
    assert _shown(fleet.server) == of_server
    assert _shown(fleet.clients[0]) == of_client
    held = prometheus.get("label/__name__/values")
    assert isinstance(held, list)
    assert {"stripecast_log_seconds", "stripecast_delay_seconds_bucket"} < set(map(str, held))
    strange = [name for name in map(str, held) if name.startswith("stripecast_")]
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in strange} <= of_server | of_client
    for daemon in (fleet.server, fleet.clients[0]):
        promtool("check", "metrics", text=daemon.get("/metrics")[1])


def _section(text: str, title: str) -> set[str]:
    _, _, rest = text.partition(f"## {title}\n")
    return set(re.findall(r"^\| `(\w+)`", rest.partition("\n## ")[0], re.MULTILINE))


def _shown(daemon: Daemon) -> set[str]:
    return set(re.findall(r"^# TYPE (\w+) ", daemon.get("/metrics")[1], re.MULTILINE))


def _dashboard(prometheus: Prometheus) -> None:
    for expression in expressions():
        prometheus.query(expression)
    board = json.loads(DASHBOARD.read_text())
    first = [panel for panel in board["panels"] if panel["type"] == "stat"]
    for panel in first:
        (target,) = panel["targets"]
        asked = target["expr"].replace("$channel", ".*").replace("$__rate_interval", "20s")
        _wait_filled(prometheus, asked, panel["title"])


def _wait_filled(prometheus: Prometheus, expression: str, title: str) -> None:
    wait_until(lambda: len(prometheus.query(expression)) == 1, 30, f"one series in {title}", 0.5)


def _rules(fleet: Fleet, prometheus: Prometheus) -> None:
    """Expect no fault in any rule; a client proxy that is killed is noticed."""

    def evaluated() -> bool:
        health = {str(rule["health"]) for rule in _all_rules(prometheus)}
        assert "err" not in health, _all_rules(prometheus)
        return health == {"ok"}

    wait_until(evaluated, 30, "all rules evaluated", 0.5)
    assert {str(rule["name"]) for rule in _all_rules(prometheus)} == set(alerts())
    victim = fleet.clients[-1]
    address = victim.http
    fleet.kill(victim)
    pending = f'ALERTS{{alertname="StripecastDown",instance="{address}"}}'
    wait_until(lambda: prometheus.number(pending) == 1, 30, "StripecastDown pending", 0.5)
    wait_until(lambda: prometheus.number("stripecast_nodes") == 2, 30, "two nodes left", 0.5)


def _all_rules(prometheus: Prometheus) -> list[dict[str, object]]:
    data = prometheus.get("rules")
    assert isinstance(data, dict)
    groups = data["groups"]
    assert isinstance(groups, list)
    found: list[dict[str, object]] = []
    for group in groups:
        assert isinstance(group, dict)
        for rule in _list(group["rules"]):
            assert isinstance(rule, dict)
            found.append(rule)
    return found


def _channel(fleet: Fleet) -> dict[str, object]:
    (channel,) = _list(fleet.server.api()["channels"])
    assert isinstance(channel, dict)
    return channel


def _list(found: object) -> list[object]:
    assert isinstance(found, list)
    return found


def _in(found: dict[str, object], key: str, inner: str) -> object:
    inside = found[key]
    assert isinstance(inside, dict)
    return inside[inner]


def _sum(found: object) -> float:
    return float(sum(map(float, map(str, found)))) if isinstance(found, list) else float(str(found))

"""Debian's Prometheus: where its programs are, a server of one's own, what an expression names."""

import json
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

import yaml

from tests.support.daemons import Json
from tests.support.installed import skip_because
from tests.support.processes import Process, wait_until
from tests.support.sources import ROOT

CONFIG = ROOT / "config" / "prometheus" / "prometheus.yml"
RULES = ROOT / "config" / "prometheus" / "stripecast.rules.yml"
RULE_TESTS = ROOT / "config" / "prometheus" / "stripecast.rules.test.yml"
DASHBOARD = ROOT / "config" / "grafana" / "stripecast.json"

_VARIABLES = {"$__rate_interval": "1m", "$channel": ".*"}
"""What Grafana puts into an expression."""
_GROUPING = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"
)  # fmt: skip
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_KEYWORDS = {"and", "or", "unless", "offset", "bool"}


def program(name: str) -> str:
    """Return `prometheus` or `promtool`; skip (in CI: fail) where it is not to be had.

    scripts/install-debian-packages unpacks them into the cache: installed, a service would start.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    unpacked = home / "stripecast" / "prometheus" / "usr" / "bin" / name
    found = shutil.which(name) or shutil.which(str(unpacked))
    if found is None:
        skip_because(f"no {name}: scripts/install-debian-packages unpacks it")
        raise AssertionError
    return found


class Prometheus(Process):
    """A Prometheus that scrapes once a second as the example configuration says, with its rules."""

    def __init__(self, folder: Path, targets: Mapping[str, Sequence[str]]) -> None:
        """`targets`: HOST:PORT by the name of the job."""
        config = yaml.safe_load(CONFIG.read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(RULES)]
        for job in config["scrape_configs"]:
            job["static_configs"] = [{"targets": list(targets[job["job_name"]])}]
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        argv = [program("prometheus"), f"--config.file={file}"]
        argv += [f"--storage.tsdb.path={folder / 'tsdb'}", "--web.listen-address=127.0.0.1:0"]
        self._address: str | None = None
        super().__init__(argv, folder / "prometheus.log")

    @property
    def address(self) -> str:
        """HOST:PORT, once it listens."""
        if self._address is None:
            line = r'Listening on" address=(127\.0\.0\.1:\d+)'
            self._address = self.expect(line, 60).group(1)
            wait_until(self._ready, 60, f"{self} ready", 0.2)
        return self._address

    def _ready(self) -> bool:
        try:
            with _OPENER.open(f"http://{self._address}/-/ready", timeout=20) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def get(self, path: str, **parameters: str) -> Json:
        """Ask its API; the answer's `data`. Fails with its words where it does not succeed."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with _OPENER.open(url, timeout=20) as answer:
            said: dict[str, Json] = json.load(answer)
        assert said["status"] == "success", said
        return said["data"]

    def query(self, expression: str) -> dict[frozenset[tuple[str, str]], float]:
        """Evaluate an expression now: {labels: value}."""
        data = self.get("query", query=expression)
        assert isinstance(data, dict)
        result, found = data["result"], dict[frozenset[tuple[str, str]], float]()
        assert isinstance(result, list)
        for one in result:
            assert isinstance(one, dict)
            labels, value = one["metric"], one["value"]
            assert isinstance(labels, dict)
            assert isinstance(value, list)
            found[frozenset((k, str(v)) for k, v in labels.items())] = float(str(value[1]))
        return found

    def number(self, expression: str) -> float | None:
        """Evaluate an expression that has one value; None: it has none yet."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return next(iter(found.values()), None)

    def wait_scraped(self, metric: str) -> None:
        """Wait until all series of a metric come from scrapes that begin from now on."""
        (now,) = self.query("vector(time()) + 0.01").values()
        wait_until(
            lambda: (at := self.number(f"min(timestamp({metric}))")) is not None and at >= now,
            30,
            f"{metric} scraped",
            0.2,
        )


def expressions() -> list[str]:
    """Return every expression of the dashboard as Prometheus takes it."""
    board = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    found += [one["expr"] for one in board["annotations"]["list"]]
    for variable, value in _VARIABLES.items():
        found = [one.replace(variable, value) for one in found]
    return found


def alerts() -> dict[str, str]:
    """Return the expression of every alert by its name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def named(expression: str) -> dict[str, set[str]]:
    """Return what metrics an expression names, with the labels that it selects each by."""
    text = _GROUPING.sub("", re.sub(r'"[^"]*"', '""', expression))
    found: dict[str, set[str]] = {}
    for name, inside in re.findall(r"([a-zA-Z_]\w*)\s*\{([^}]*)\}", text):
        found.setdefault(name, set()).update(re.findall(r"(\w+)\s*[!=]", inside))
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", text)
    for name in re.findall(r"\b[a-zA-Z_]\w*\b(?!\s*\()", text):
        if name not in _KEYWORDS:
            found.setdefault(name, set())
    return found


def grouped(expression: str) -> set[str]:
    """Return the labels that an expression adds up or matches by."""
    lists = _GROUPING.findall(re.sub(r'"[^"]*"', '""', expression))
    return {label.strip() for one in lists for label in one.split(",")} - {""}

"""The two daemons as processes on free ports: started, asked over HTTP, stopped, logs judged."""

import json
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from tests.support.nursery import at_hand
from tests.support.processes import BenchError, Child, Process, Wrap, wait_until
from tests.support.sources import ROOT

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | int | bool | None"
Sample = tuple[str, frozenset[tuple[str, str]]]
"""A metric's name and its labels."""

STRICT = {"PYTHONASYNCIODEBUG": "1", "PYTHONWARNINGS": "error"}
"""Environment that makes every forgotten await and unclosed socket show in the log."""

_BAD = re.compile(
    r"Traceback|never awaited|Task was destroyed|[Uu]nclosed|ResourceWarning|never retrieved"
)
_STARTING = 60.0


_OF_A_CHANNEL = re.compile(
    r"(serverproxy\.net\.(feed|control|story|source|testcard)"
    r"|clientproxy\.net\.(node|stripes|uplink|feed|control)|common\.runtime\.childfeed)\b"
)
"""Loggers whose lines are about a channel."""


def _lacks(line: str) -> bool:
    """Whether a line of the log does not name the channel and the node that it is about."""
    try:
        event: Json = json.loads(line)
    except ValueError:  # no line of the log, or one that a kill has cut short
        return False
    if not isinstance(event, dict):
        return False
    if "channel" not in event and _OF_A_CHANNEL.match(str(event["logger"])):
        return True
    return "stripe" in event and not ("channel" in event and "node" in event)


class Metrics(dict[Sample, float]):
    """One scrape: {(name, labels): value}."""

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of that name with these labels; 0 if there is none."""
        wanted = set(labels.items())
        return sum(v for (n, have), v in self.items() if n == name and wanted <= have)


class Daemon(Process):
    """Either daemon, forked where a nursery is at hand, unless it is to be `fresh`.

    A fresh one costs about a second to start: construct several, then wait for each.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        wrap: Wrap = list,
        env: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> None:
        self._ports: dict[str, str] = {}
        self._fresh = fresh
        command = [sys.executable, "-m", *argv, "--log-format", "json"]
        environment = {"PYTHONPATH": str(ROOT), **(env or {})}
        super().__init__(wrap(command), log, environment)

    def launch(self, env: Mapping[str, str]) -> Child:
        nursery = None if self._fresh else at_hand(self.argv, env)
        return super().launch(env) if nursery is None else nursery.bear(self.argv, env)

    def wait_listening(self, timeout: float = _STARTING) -> None:
        """Wait for the line that tells the ports."""
        if not self._ports:
            line = self.expect(r'^\{.*"listening".*\}$', timeout).group(0)
            fields: dict[str, Json] = json.loads(line)
            names = ("overlay", "http", "rtsp")
            self._ports = {name: str(fields[name]) for name in names if name in fields}

    def port(self, name: str) -> str:
        """Return HOST:PORT of overlay, http or rtsp; waits until it listens."""
        self.wait_listening()
        return self._ports[name]

    @property
    def overlay(self) -> str:
        return self.port("overlay")

    @property
    def http(self) -> str:
        return self.port("http")

    def get(self, path: str) -> tuple[int, str]:
        """GET over HTTP: status and text."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.http}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def ready(self) -> bool:
        """Whether /readyz says yes now."""
        if self.returncode is not None:
            raise BenchError(f"{self} ended ({self.returncode}):\n{self.tail()}")
        return self.get("/readyz")[0] == 200

    def wait_ready(self, timeout: float = _STARTING) -> None:
        """Wait until /readyz says yes."""
        self.wait_listening(timeout)
        wait_until(self.ready, timeout, f"{self} ready")

    def metrics(self) -> Metrics:
        """Scrape /metrics."""
        status, text = self.get("/metrics")
        assert status == 200, text
        scraped = Metrics()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                scraped[sample.name, frozenset(sample.labels.items())] = sample.value
        return scraped

    def wait_metric(self, name: str, least: float, timeout: float = 30.0, **labels: str) -> None:
        """Wait until the sum of a metric is at least `least`."""
        what = f"{name} {labels} >= {least} at {self}"
        wait_until(lambda: self.metrics().total(name, **labels) >= least, timeout, what, 0.1)

    def api(self, path: str = "status") -> dict[str, Json]:
        """Return the JSON object at /api/v1/PATH."""
        status, text = self.get(f"/api/v1/{path}")
        assert status == 200, f"{status} {text}"
        answer: dict[str, Json] = json.loads(text)
        return answer

    def stop(self) -> float:
        """SIGTERM: it has to end with 0 within 5 s and a clean log; return the seconds it took."""
        began = time.monotonic()
        code = self.terminate(5.0, signal.SIGTERM)
        took = time.monotonic() - began
        assert code == 0, f"{self} ended with {code} after {took:.1f} s\n{self.tail()}"
        self.check_log()
        return took

    def check_log(self) -> None:
        """Fail on tracebacks, forgotten awaits, unclosed things, and lines that say not whose."""
        bad = [line for line in self.text().splitlines() if _BAD.search(line) or _lacks(line)]
        assert not bad, f"{self}:\n" + "\n".join(bad[:10])


class ServerProxy(Daemon):
    """`serverproxy run`, all ports free ones."""

    def __init__(  # noqa: PLR0913  # one more than allowed, each by its name
        self,
        folder: Path,
        channels: Mapping[str, str],
        *,
        arguments: Sequence[str] = (),
        host: str = "127.0.0.1",
        wrap: Wrap = list,
        env: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> None:
        argv = ["serverproxy", "run", "--listen", f"{host}:0", "--http", f"{host}:0"]
        for name, url in channels.items():
            argv += ["--channel", f"{name}={url}"]
        log = folder / f"serverproxy-{time.monotonic_ns()}.log"
        super().__init__([*argv, *arguments], log, wrap=wrap, env=env, fresh=fresh)


class ClientProxy(Daemon):
    """`clientproxy run SERVER`, all ports free ones."""

    def __init__(  # noqa: PLR0913  # two more than allowed, each by its name
        self,
        folder: Path,
        server: str,
        *,
        join: Sequence[str] = (),
        arguments: Sequence[str] = (),
        host: str = "127.0.0.1",
        wrap: Wrap = list,
        env: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> None:
        argv = ["clientproxy", "run", server, "--listen", f"{host}:0"]
        argv += ["--rtsp", f"{host}:0", "--http", f"{host}:0"]
        for channel in join:
            argv += ["--join", channel]
        log = folder / f"clientproxy-{time.monotonic_ns()}.log"
        super().__init__([*argv, *arguments], log, wrap=wrap, env=env, fresh=fresh)

    def url(self, channel: str) -> str:
        """Return what a player opens."""
        return f"rtsp://{self.port('rtsp')}/{channel}"

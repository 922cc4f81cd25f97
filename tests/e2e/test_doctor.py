"""`clientproxy doctor` against real daemons, and against what is none."""

import http.server
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.daemons import STRICT, ClientProxy, Json, ServerProxy
from tests.support.netbench import Hosts
from tests.support.netns import ROOT
from tests.support.processes import Process, Wrap
from tests.support.sources import ROOT as PROJECT

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

ANY_PORTS = ("--listen", ":0", "--rtsp", "127.0.0.1:0", "--http", "127.0.0.1:0")
PROMISED = 20.0
"""Seconds that an examination takes at most; the rest is a loaded machine's start of Python."""
SLACK = 15.0
DOWN = "rtsp://127.0.0.1:9/live"
TEST_CARD = "testcard:?bitrate=1000"


class Doctor(Process):
    """One examination, as JSON or as text; `log` has standard output and standard error."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        ports: Sequence[str] = ANY_PORTS,
        seconds: float = 1.0,
        wrap: Wrap = list,
    ) -> None:
        argv = [sys.executable, "-m", "clientproxy", "doctor", *arguments, *ports]
        argv += ["--seconds", str(seconds)]
        log = folder / f"doctor-{time.monotonic_ns()}.log"
        super().__init__(wrap(argv), log, {"PYTHONPATH": str(PROJECT), **STRICT})

    def finished(self, code: int) -> str:
        """Wait for the end with this exit code; return all that it said."""
        assert self.wait(PROMISED + SLACK) == code, self.tail()
        text = self.text()
        assert "Traceback" not in text
        assert "Warning" not in text
        return text

    def verdict(self, code: int) -> str:
        """Wait for the end with this exit code; return the last line."""
        found = re.search(r"^verdict: (.*)$", self.finished(code), re.MULTILINE)
        assert found is not None, self.tail()
        return found[1]

    def whole(self, code: int) -> dict[str, Json]:
        """Wait for the end with this exit code; return the JSON object."""
        text = self.finished(code)
        found: dict[str, Json] = json.loads(text[text.index("{\n") :])
        return found


def found(whole: dict[str, Json], topic: str) -> list[str]:
    """Return the levels of the findings on a topic."""
    findings = whole["findings"]
    assert isinstance(findings, list)
    return [
        str(one["level"]) for one in findings if isinstance(one, dict) and one["topic"] == topic
    ]


@contextmanager
def web_server(host: str) -> Iterator[str]:
    """Serve HTTP where one might expect a server proxy."""
    with http.server.ThreadingHTTPServer((host, 0), _Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"{host}:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


class _Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


def test_what_is_healthy_and_what_is_not(tmp_path: Path) -> None:
    """All at the same time: nobody waits for anybody. Ctrl-C leaves the channel in good order."""
    with Hosts(tmp_path, 3) as hosts, web_server(hosts.address(ROOT)) as web:
        here, server_host = hosts.wrap(1), hosts.address(1)
        server = ServerProxy(
            tmp_path, {}, arguments=_channels(tmp_path), host=server_host, wrap=here
        )
        client = ClientProxy(
            tmp_path,
            server.overlay,
            join=["cam", "small"],
            arguments=["--max-children", "0"],
            host=server_host,
            wrap=here,
        )
        hosts.block(1, 7999)
        hosts.block(2, 7855)
        hosts.limit(3, down=500_000)
        far = server.overlay
        closed = Doctor(tmp_path, far, "cam", "--json", ports=(), wrap=hosts.wrap(2))
        slow = Doctor(tmp_path, far, "cam", "--json", ports=(), seconds=4, wrap=hosts.wrap(3))
        dropped = Doctor(tmp_path, f"{server_host}:7999", wrap=hosts.wrap(2))
        client.wait_ready()
        ports = [f"--{key}={client.port(name)}" for key, name in _KEYS.items()]
        nowhere = tmp_path / "nowhere.yaml"
        nowhere.write_text("advertise: ['127.0.0.1:9']\n")
        long = Doctor(tmp_path, far, seconds=10, wrap=here)
        healthy = Doctor(tmp_path, far, "--json", seconds=3, wrap=here)
        beside = Doctor(tmp_path, far, "cam", ports=ports, wrap=here)
        full = ("small", "--config", str(nowhere))
        verdicts = {
            Doctor(tmp_path, *arguments, wrap=here): verdict
            for arguments, verdict in (
                ((far, "off"), "The source of channel off is down: "),
                ((far, *full), "Channel small is full"),
                ((far, "nope"), "There is no channel nope. There are: cam, off, small."),
                ((f"{server_host}:9",), f"Nobody answers at {server_host}:9: IPv4"),
                ((web,), f"At {web} is no Stripecast server proxy: it answered '"),
            )
        }
        long.expect(r"watching channel cam for 10 s … \d", 60)
        long.send(signal.SIGINT)
        for doctor, verdict in verdicts.items():
            assert doctor.verdict(1).startswith(verdict)
        _is_healthy(healthy.whole(0))
        text = beside.finished(0)
        assert "A client proxy runs here already and has these ports: listen" in text
        assert "Other nodes reach the client proxy that runs here" in text
        assert "no answer within 3 s" in dropped.verdict(1)
        assert "broken off" in long.finished(1)

        whole = closed.whole(0)
        assert found(whole, "reachable") == ["warning"]
        text = json.dumps(whole)
        assert f"Open TCP port 7855 in the firewall of this machine ({hosts.address(2)})" in text
        assert "but you pass nothing on" in text
        whole = slow.whole(1)
        assert found(whole, "download") == ["problem"]
        assert str(whole["verdict"]).startswith("Too slow: the stream needs")
        client.stop()
        server.stop()


def _is_healthy(whole: dict[str, Json]) -> None:
    assert "problem" not in {*found(whole, "stream"), *found(whole, "download")}
    assert len(found(whole, "parents")) == 2
    assert found(whole, "reachable") == found(whole, "clock") == ["ok"]
    assert len(found(whole, "round trip")) == 1


_KEYS = {"listen": "overlay", "rtsp": "rtsp", "http": "http"}


def _channels(folder: Path) -> list[str]:
    """Return the arguments for a channel with room, one that is down, and one for one leaf."""
    file = folder / "server.yaml"
    file.write_text(
        f"""channels:
  cam: {{source: "{TEST_CARD}", children_per_stripe: 8}}
  off: {{source: "{DOWN}"}}
  small: {{source: "{TEST_CARD}", repair_slots: 0}}
"""
    )
    return ["--config", str(file)]

"""What the documents tell their reader to type is typed: on a machine whose ports are all free."""

import ctypes
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.support.daemons import Daemon, Json
from tests.support.documents import (
    ROOT,
    Command,
    all_commands,
    blocks,
    commands,
    lines,
    place,
)
from tests.support.installed import skip_unless_installed, skip_unless_namespaces
from tests.support.processes import wait_until

pytestmark = pytest.mark.e2e

HERE = "tests/e2e/test_documents.py"
README = ROOT / "README.md"
DAEMONS = ("serverproxy", "clientproxy")
API = ROOT / "docs" / "api.md"
CLONE_NEWNET = 0x40000000
CONFLICT = 409
ENOUGH = 3
"""Nodes, for one to have another parent to move to."""
PLACEHOLDERS = {
    "SERVER": "localhost",
    "server.example": "localhost",
    "CHANNEL": "cam",
    "ADDRESS": "127.0.0.1",
    "URL": "rtsp://localhost:8554/cam",
}
"""What a reader puts in."""
ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
"""Goes before a command that wants the ports for itself."""


@pytest.fixture
def _own_network() -> Iterator[None]:
    """Give this thread, and what it starts, a network without anything but loopback."""
    skip_unless_namespaces()
    skip_unless_installed("unshare", "curl", "ffprobe", "ss")
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as before:
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            assert libc.setns(before.fileno(), CLONE_NEWNET) == 0


class Desk:
    """Where a reader sits, with the commands that this test has to try."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left = {one.text for one in all_commands() if place(one) == HERE}
        (folder / "config").symlink_to(ROOT / "config")
        (folder / "server.yaml").symlink_to(ROOT / "config" / "serverproxy.yaml")
        (folder / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')
        (text,) = blocks(ROOT / "docs" / "players.md", "yaml")
        (folder / "clientproxy.yaml").write_text(text)
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "no_proxy": "*",
            "PLAYER_PASSWORD": "PASSWORD",
        }
        self.put_in = dict(PLACEHOLDERS)

    def words(self, text: str) -> str:
        """Return a command as it is typed by a reader who knows what is to be put in."""
        file = f"config/{_program(text)}.yaml"
        for written, meant in {**self.put_in, "FILE": file}.items():
            text = re.sub(rf"(?<![\w-]){re.escape(written)}(?![\w-])", meant, text)
        return text.replace(".venv/bin/", "").replace("/var/log/stripecast/", "")

    def say(self, words: str, before: str = "") -> str:
        """Run a command to its end, which has to be a good one; return what it prints."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{before}\n{words}"],
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, text: str, *more: str, alone: bool = False) -> Daemon:
        """Start a daemon; `more` arguments go behind those of the document."""
        argv = [*shlex.split(self.typed(text)), *more]
        there = [*(ALONE if alone else []), "env", "-C", str(self.folder)]
        log = self.folder / f"{argv[0]}-{time.monotonic_ns()}.log"
        return Daemon(argv, log, wrap=lambda command: [*there, *command], env=self.env)

    def all(self, *programs: str, verb: str = "") -> list[str]:
        """Return what is left of these programs, of those that come to the same only one."""
        words = {
            self.words(one): one
            for one in sorted(self.left)
            if _program(one) in programs and verb in ["", *one.split()]
        }
        return list(words.values())

    def typed(self, text: str) -> str:
        """Return a command as it is typed; it counts as tried, and so do those that come to it."""
        words = self.words(text)
        self.left = {one for one in self.left if self.words(one) != words}
        return words


def _program(text: str) -> str:
    return Command("", text, inline=False).program


@pytest.mark.usefixtures("_own_network")
def test_every_command_of_the_documents_does_what_it_says(tmp_path: Path) -> None:
    """The first three of README.md make the server proxy and the client proxies of all others."""
    desk = Desk(tmp_path)
    run_server, run_client, run_another = (
        one.text
        for one in commands(README)
        if one.program in DAEMONS and " run " in one.text and not one.inline
    )
    server, client = desk.start(run_server), desk.start(run_client)
    _, _, *ports = shlex.split(run_another)[1:]
    join = [(one, *ports) for one in desk.all("clientproxy", verb="--join")]
    nodes = [desk.start(*one) for one in [(run_another, "--join", "cam"), *join]]
    assert len(nodes) >= ENOUGH
    others = [desk.start(one, alone=True) for one in desk.all(*DAEMONS, verb="run")]
    for daemon in (server, client, *nodes):
        daemon.wait_ready()
    desk.put_in["PID"] = str(server.pid)
    looks = [*desk.all("ffprobe", "ss", "ls"), *desk.all(*DAEMONS)]
    looks = [watched(desk.typed(text)) for text in looks]
    with ThreadPoolExecutor() as pool:  # two of them look at the stream for seconds
        for text, said in zip(looks, pool.map(desk.say, looks), strict=True):
            assert "key_frame=1" in said or "-show_frames" not in text
            assert said.strip().endswith("no fault found") or " check " not in text
    _api(desk, server)
    for text in desk.all("curl"):
        assert desk.say(desk.typed(text)).endswith("200"), text
    assert desk.left == set()
    for daemon in others:
        daemon.wait_listening()
        daemon.send(signal.SIGTERM)
    for daemon in (*nodes, client, server):
        daemon.stop()
    for daemon in others:
        assert daemon.wait(20) == 0
        daemon.check_log()


def watched(words: str) -> str:
    """Return `clientproxy watch` with a player that needs no screen; other commands as they are."""
    return f"{words} --player 'ffprobe -v error -i'" if " watch " in words else words


def _api(desk: Desk, server: Daemon) -> None:
    """Ask what docs/api.md shows: every GET of its table, and every POST of its block."""
    (block,) = blocks(API, "sh")
    assignment, *requests = lines(block)
    desk.left.discard(assignment)

    def ask(text: str) -> tuple[int, dict[str, Json]]:
        body, _, code = desk.say(desk.typed(text), before=assignment).rpartition("\n")
        found: dict[str, Json] = json.loads(body)
        return int(code), found

    node = _leaf(server)
    desk.put_in |= {"NAME": "cam", "ID": node, re.findall(r"nodes/([\w-]+)/move", block)[0]: node}
    for path in _table("GET"):
        if path.startswith("/api/v1/events"):
            assert _hears(f"http://{server.http}{desk.words(path)}", b"snapshot")
        else:
            assert ask(f"curl http://127.0.0.1:9854{path}")[0] == 200
    tried, end = set(), time.monotonic() + 30
    for text in [*requests, "curl --json '{}' $api/channels/cam/close"]:
        code, answer = ask(text)
        while code == CONFLICT and time.monotonic() < end:  # the repair slot is in use, say
            time.sleep(0.2)
            code, answer = ask(text)
        assert code == (202 if "--json" in text else 200), f"{text}: {code} {answer}"
        tried.add(text.rpartition("/")[2])
        wait_until(partial(_done, server, node, text), 30, f"{text} is done")
    assert {path.rpartition("/")[2] for path in _table("POST")} == tried - {"cam"}


def _table(method: str) -> list[str]:
    """Return the paths of the requests that docs/api.md lists."""
    found = []
    for row in re.findall(rf"^\| (`{method} [^|]+)", API.read_text(), re.MULTILINE):
        first, *rest = re.findall(r"`([^`]+)`", row)
        path = first.removeprefix(f"{method} ")
        found += [path, *(one.replace("…", path.removesuffix("/nodes")) for one in rest)]
    assert found
    return found


def _leaf(server: Daemon) -> str:
    """Return a node that has a node for its parent in stripe 0."""

    def found() -> list[str]:
        trees = server.api("channels/cam")["trees"]
        assert isinstance(trees, list)
        assert isinstance(trees[0], dict)
        parents = trees[0]["parents"]
        assert isinstance(parents, dict)
        return [one for one, parent in parents.items() if parent not in {None, "root"}]

    wait_until(lambda: bool(found()), 30, "a node hangs under another")
    return found()[0]


def _done(server: Daemon, node: str, text: str) -> bool:
    """Whether the API shows what was asked for."""
    status, body = server.get("/api/v1/channels/cam")
    if text.endswith("/close"):
        return status == 404
    channel = json.loads(body)
    if text.endswith("/kick"):
        return node not in channel["nodes"]
    if text.endswith("/drain"):
        return channel["nodes"][node]["drained"] is True
    return not text.endswith("/move") or any(
        one["kind"] == "moved" and one["node"] == node and one["stripe"] == 0
        for one in channel["events"]
    )


def _hears(url: str, event: bytes) -> bool:
    """Whether an event of that name comes."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        return any(line == b"event: " + event + b"\n" for line in answer)

"""`make demo` as a newcomer meets it."""

import os
import re
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.installed import skip_unless_installed
from tests.support.ports import free_port
from tests.support.processes import Process, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

NODE = r"n\d+-\w+"

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
"""Seconds, for what takes two on an idle machine: it starts five processes."""


class Running(Process):
    """A demo whose processes and files can be told from all others by its folder."""

    def __init__(self, folder: Path, argv: list[str], source: str = "", end: str = "") -> None:
        self.folder = folder / "temporary"
        self.folder.mkdir()
        env = {
            "TMPDIR": str(self.folder),
            "DEMO_SOURCE": source,
            "DEMO_SECONDS": end,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm",
        }
        super().__init__(argv, folder / "demo.log", env)

    def pids(self, program: str = "") -> list[int]:
        """Return the processes that the demo has started, itself among them."""
        mine = f"TMPDIR={self.folder}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # not ours, or gone
                if (
                    mine in (path / "environ").read_bytes()
                    and program.encode() in (path / "cmdline").read_bytes()
                ):
                    found.append(int(path.name))
        return found

    def wait_for_table(self) -> None:
        """Wait until the latest table has all four nodes, with packets, in both trees."""
        wait_until(
            lambda: len(nodes(self.text())) == 4 and len(drawn(self.text())) == 8,
            PATIENCE,
            "four nodes in the table and in both trees",
        )


def demo(folder: Path, source: str = "", end: str = "") -> Running:
    return Running(folder, [sys.executable, "-m", "scripts.demo"], source, end)


def nodes(text: str) -> dict[str, tuple[str, str]]:
    """Return the two parents of each node that has packets and lost none, in the last table."""
    table = text.rpartition("source is up")[2]
    rows = re.findall(
        rf"^({NODE}) +:\d+ +(server proxy|{NODE}) +(server proxy|{NODE})"
        r" +\S+ ms +[1-9]\d* +0 +0\s*$",
        table,
        re.MULTILINE,
    )
    return {node: (first, second) for node, first, second in rows}


def drawn(text: str) -> list[str]:
    """Return the nodes in the trees that are drawn below the last table."""
    return re.findall(rf"\b{NODE}\b", text.rpartition("tree of stripe 0")[2])


def assert_nothing_is_left(running: Running) -> None:
    wait_until(lambda: not running.pids(), PATIENCE, "no process of the demo is left")


def test_it_shows_four_nodes_in_two_trees_until_ctrl_c(tmp_path: Path) -> None:
    running = demo(tmp_path)
    running.wait_for_table()
    parents = nodes(running.text())
    for stripe in (0, 1):
        first = [pair[stripe] for pair in parents.values()].count("server proxy")
        assert 1 <= first <= 2  # one, and a repair slot's for a moment
    assert sorted(drawn(running.text())) == sorted([*parents] * 2)
    assert len(running.pids()) == 6

    urls = re.findall(r"rtsp://127\.0\.0\.1:(\d+)/demo", running.text())
    assert len(urls) == len(set(urls)) == 4
    for port in urls:
        assert describe(int(port)).startswith("RTSP/1.0 200")

    os.kill(running.pid, signal.SIGINT)
    assert running.wait(PATIENCE) == 0
    assert_nothing_is_left(running)
    assert list(running.folder.iterdir()) == []
    assert "\x1b" not in running.text()
    assert running.text().endswith("ended; no process is left\n")


def describe(port: int) -> str:
    request = f"DESCRIBE rtsp://127.0.0.1:{port}/demo RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as talk:
        talk.sendall(request.encode())
        return talk.recv(65536).decode()


def test_it_ends_by_itself_when_told_to(tmp_path: Path) -> None:
    running = demo(tmp_path, end="1")
    assert running.wait(PATIENCE) == 0
    assert_nothing_is_left(running)


def test_daemons_end_even_where_the_demo_is_killed(tmp_path: Path) -> None:
    running = demo(tmp_path)
    running.wait_for_table()
    running.kill()
    assert_nothing_is_left(running)


def test_a_second_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    running = demo(tmp_path)
    running.wait_for_table()
    for pid in running.pids("clientproxy"):
        os.kill(pid, signal.SIGSTOP)  # they do not heed the first
    os.kill(running.pid, signal.SIGINT)
    wait_until(
        lambda: all(map(asked_to_end, running.pids("clientproxy"))), 10, "the first is taken"
    )
    os.kill(running.pid, signal.SIGINT)
    assert running.wait(4) == 130
    assert_nothing_is_left(running)


def asked_to_end(pid: int) -> bool:
    text = Path(f"/proc/{pid}/status").read_text()
    pending = re.findall(r"^(?:Sig|Shd)Pnd:\s*(\w+)", text, re.MULTILINE)
    return any(int(mask, 16) & 1 << signal.SIGTERM - 1 for mask in pending)


def test_a_daemon_that_dies_is_named_and_its_log_is_kept(tmp_path: Path) -> None:
    running = demo(tmp_path)
    running.wait_for_table()
    os.kill(running.pids("clientproxy")[0], signal.SIGKILL)
    assert running.wait(PATIENCE) == 1
    assert re.search(
        r"^demo: clientproxy \d has ended with exit code -9", running.text(), re.MULTILINE
    )
    (logs,) = running.folder.iterdir()
    assert f"the logs are in {logs}" in running.text()
    assert len(list(logs.glob("*.log"))) == 5
    assert_nothing_is_left(running)


def test_a_source_that_is_none_is_one_line(tmp_path: Path) -> None:
    running = demo(tmp_path, source="http://user:geheim@camera/")
    assert running.wait(PATIENCE) == 2
    said = running.text().splitlines()[-1]
    assert said == (
        "demo: SOURCE is not a source: write rtsp://HOST/PATH, rtsps://HOST/PATH or testcard:"
    )
    assert "geheim" not in running.text()
    assert_nothing_is_left(running)


def test_a_source_that_is_not_there_is_said_and_the_demo_has_failed(tmp_path: Path) -> None:
    place = f"127.0.0.1:{free_port()}"
    running = demo(tmp_path, source=f"rtsp://user:geheim@{place}/live", end="4")
    assert running.wait(PATIENCE) == 1
    assert f"demo: source is down: rtsp://***@{place}/live: {place} refuses" in running.text()
    assert "geheim" not in running.text()
    assert_nothing_is_left(running)


def test_make_demo_in_a_terminal_ends_well_on_ctrl_c(tmp_path: Path) -> None:
    """The demo alone gets Ctrl-C: make would say that it was interrupted, and fail."""
    skip_unless_installed("script", "make")
    command = f"make --directory '{ROOT}' demo"
    running = Running(tmp_path, ["script", "-q", "-e", "-c", command, "/dev/null"])
    running.wait_for_table()
    wait_until(lambda: "\x1b[J" in running.text(), PATIENCE, "the table is redrawn in place")
    assert running.popen.stdin is not None
    running.popen.stdin.write(b"\x03")
    running.popen.stdin.flush()
    assert running.wait(PATIENCE) == 0
    assert "ended; no process is left" in running.text()
    assert_nothing_is_left(running)

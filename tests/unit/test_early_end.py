"""Ctrl-C while a command is still being loaded: no traceback, the documented exit code."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOWHERE = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
CLIENT = ["clientproxy", "run", "127.0.0.1:1", "--rtsp", "127.0.0.1:0", *NOWHERE]
SERVER = ["serverproxy", "run", "--channel", "cam=testcard:", *NOWHERE]
SLOW = {"argparse", "asyncio", "dataclasses", "inspect", "logging", "pydantic", "typing", "yaml"}


@contextmanager
def command(*argv: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a command."""
    process = subprocess.Popen(
        [sys.executable, "-m", *argv],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("daemon", ["clientproxy", "serverproxy"])
def test_nothing_that_takes_time_is_loaded_before_the_handlers_are_there(daemon: str) -> None:
    code = f"import sys; import {daemon}.__main__; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-S", "-c", code], cwd=ROOT, text=True)
    assert SLOW.isdisjoint(loaded.split())


@pytest.mark.parametrize(
    ("argv", "module", "code"),
    [
        (["clientproxy", "status"], "argparse", 0),
        (["clientproxy", "watch", "rtsp://127.0.0.1:1/cam"], "pydantic", 0),
        (["clientproxy", "doctor", "127.0.0.1:1"], "pydantic", 1),
        (CLIENT, "aiohttp", 0),
        (["serverproxy", "status"], "pydantic", 0),
        (SERVER, "aiohttp", 0),
    ],
)
def test_ctrl_c_within_an_import_ends_it_quietly(
    argv: list[str], module: str, code: int, tmp_path: Path
) -> None:
    """A module stands for the real one that says when it is being loaded, and never is."""
    stands_for = "import time; print('LOADING', flush=True); time.sleep(600)"
    (tmp_path / f"{module}.py").write_text(stands_for)
    paths = os.pathsep.join((str(tmp_path), str(ROOT)))
    with command(*argv, PYTHONPATH=paths) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "LOADING\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == code


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(mask.split()[1], 16) >> number - 1 & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize("argv", [CLIENT, SERVER], ids=["client", "server"])
@pytest.mark.parametrize("after", [0.0, 0.1, 0.6])
def test_ctrl_c_at_any_moment_ends_it_quietly(argv: list[str], after: float) -> None:
    """From the moment that its own handlers are there; that for SIGTERM comes last."""
    with command(*argv) as process:
        end = time.monotonic() + 60
        while not catches(process.pid, signal.SIGTERM):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.002)
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        assert "ignored" not in errors

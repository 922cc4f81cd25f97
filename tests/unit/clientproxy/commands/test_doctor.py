"""`clientproxy doctor`: what goes where, and with which exit code."""

import asyncio
import json
import threading
import time

import pytest

from clientproxy.commands import doctor
from clientproxy.config import ClientConfig
from clientproxy.core.diagnosis.measured import Attempt, Measured, Server
from clientproxy.net.doctor.progress import Progress

CONFIG = ClientConfig.model_validate({"server": "localhost"})
ANSWERED = Attempt(host="127.0.0.1", family="IPv4", outcome="connected", seconds=0.001)


def finds(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Let every examination find a server, with these changes."""
    server = {"address": "localhost:7854", "host": "localhost", "port": 7854} | changes

    async def examine(
        _config: ClientConfig, asked: str | None, _seconds: float, progress: Progress
    ) -> Measured:
        progress.say("looking")
        return Measured(server=Server(**server), asked=asked)  # type: ignore[arg-type]

    monkeypatch.setattr(doctor, "examine", examine)


def test_the_report_goes_to_standard_output_and_progress_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(monkeypatch, attempts=(ANSWERED,), answer="server proxy", channels=("cam",))
    assert doctor.run(CONFIG, None, seconds=1.0, as_json=False) == 0
    out, err = capsys.readouterr()
    assert out.endswith("\nverdict: The server proxy can be reached; no stream was looked at.\n")
    assert err == "looking …\n"


def test_json_is_all_that_standard_output_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finds(monkeypatch, unknown_name="Name or service not known")
    assert doctor.run(CONFIG, None, seconds=1.0, as_json=True) == 1
    whole = json.loads(capsys.readouterr().out)
    assert (whole["level"], whole["measured"]["server"]["host"]) == ("problem", "localhost")


def test_what_a_server_says_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("cam\x1b[2J\r\u2028\u202e\x9b31m",)
    finds(monkeypatch, attempts=(ANSWERED,), answer="server proxy", channels=named)
    said = []
    for as_json in (False, True):
        assert doctor.run(CONFIG, None, seconds=1.0, as_json=as_json) == 0
        said.append(capsys.readouterr().out)
        assert all(line.isprintable() for line in said[-1].split("\n"))
    assert json.loads(said[-1])["measured"]["server"]["channels"] == list(named)


def test_what_a_server_says_cannot_begin_a_line_of_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = "version 9\nok            server      fine\nverdict: Nothing limits you"
    finds(monkeypatch, attempts=(ANSWERED,), answer="another version", said=forged)
    assert doctor.run(CONFIG, None, seconds=1.0, as_json=False) == 1
    lines = capsys.readouterr().out.splitlines()
    (verdict,) = (line for line in lines if line.startswith("verdict: "))
    assert verdict.startswith("verdict: The server proxy at localhost:7854 is of another version")
    assert not any(line.startswith("ok ") for line in lines)


def test_the_end_waits_for_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    async def examine(
        _config: ClientConfig, asked: str | None, _seconds: float, _progress: Progress
    ) -> Measured:
        asyncio.get_running_loop().run_in_executor(None, over.wait, 60)
        server = Server(address="x:1", host="x", port=1, unknown_name="silent")
        return Measured(server=server, asked=asked)

    monkeypatch.setattr(doctor, "examine", examine)
    began = time.monotonic()
    try:
        assert doctor.run(CONFIG, None, seconds=1.0, as_json=False) == 1
    finally:
        over.set()
    assert time.monotonic() - began < 30

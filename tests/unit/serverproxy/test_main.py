"""The command line as a user meets it: words, exit codes, never a traceback."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serverproxy.__main__ import main

SHIPPED = str(Path(__file__).parents[3] / "config" / "serverproxy.yaml")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def serverproxy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Run the command line here; return exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "100")
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def run(*args: str) -> tuple[int, str, str]:
        try:
            code: object = main(args)
        except SystemExit as ended:
            code = ended.code
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["check", "--help"]])
def test_help_is_there(serverproxy: Run, args: list[str]) -> None:
    code, out, _ = serverproxy(*args)
    assert code == 0
    assert out.startswith("usage: serverproxy")


def test_the_help_of_run_has_every_flag_and_examples(serverproxy: Run) -> None:
    _, out, _ = serverproxy("run", "--help")
    for flag in ("--config", "--channel", "--listen", "--http", "--log-level", "--log-format"):
        assert f"  {flag} " in out
    assert "serverproxy run --channel test=testcard:" in out


def test_version(serverproxy: Run) -> None:
    code, out, _ = serverproxy("--version")
    assert code == 0
    assert out.startswith("serverproxy (Stripecast) ")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "the following arguments are required: run | check"),
        (["play"], "invalid choice: 'play'"),
        (["run", "--bogus"], "unrecognized arguments: --bogus"),
        (["run", "--chan", "a=b"], "unrecognized arguments"),
        (["run", "--channel", "cam"], "write NAME=URL"),
        (["run", "--channel", "=rtsp://h/"], "write NAME=URL"),
        (["run"], "there is no channel: write --channel NAME=URL"),
        (["run", "--channel", "cam=http://h/"], "--channel cam: is not a source"),
        (["run", "--channel", "cam=testcard:", "--listen", "x"], "--listen: 'x' has no port"),
        (
            ["run", "--channel", "cam=testcard:", "--log-level", "loud"],
            "--log-level: 'loud' is not",
        ),
        (["run", "--config", "none.yaml"], "none.yaml: cannot be read: No such file"),
        (["check"], "the following arguments are required: FILE"),
        (["check", "none.yaml"], "none.yaml: cannot be read: No such file"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(
    serverproxy: Run, args: list[str], words: str
) -> None:
    code, out, err = serverproxy(*args)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_no_argument_shows_a_password(serverproxy: Run) -> None:
    _, _, err = serverproxy("run", "--channel", "rtsp://user:geheim@h/")
    assert "geheim" not in err
    _, _, err = serverproxy("run", "--channel", "cam=http://user:geheim@h/", "--listen", "x")
    assert "geheim" not in err


def test_check_takes_a_good_file(serverproxy: Run) -> None:
    assert serverproxy("check", SHIPPED) == (0, f"{SHIPPED}: no fault found\n", "")


def test_check_prints_every_fault_with_its_key(serverproxy: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("listen: no\nchannels:\n  cam:\n    source: x\n    stripes: 16\ncolour: red\n")
    code, out, err = serverproxy("check", str(file))
    assert (code, out) == (2, "")
    assert [line.removeprefix(f"{file}: ").split(": ")[0] for line in err.splitlines()] == [
        "listen (line 1)",
        "channels.cam.source (line 4)",
        "channels.cam.stripes (line 5)",
        "colour (line 6)",
    ]

"""The command line as a user meets it: words, exit codes, never a traceback."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from serverproxy.commandline import main
from tests.support.command_line import Run, run_here

SHIPPED = str(Path(__file__).parents[3] / "config" / "serverproxy.yaml")

COMMANDS = ["run", "check", "status", "completion"]


@pytest.fixture
def serverproxy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Run the command line here; return exit code, standard output and standard error."""
    with run_here(main, capsys, monkeypatch) as run:
        yield run


@pytest.mark.parametrize("command", ["", "run", "check", "completion"])
def test_each_help_has_a_sentence_and_examples(serverproxy: Run, command: str) -> None:
    code, out, _ = serverproxy(*command.split(), "--help")
    assert code == 0
    assert out.startswith(f"usage: serverproxy {command}".rstrip())
    assert re.search(r"^[A-Z].*\.$", out, re.MULTILINE)
    assert re.search(rf"^examples:\n  serverproxy {command}", out, re.MULTILINE)


def test_the_help_lists_every_command(serverproxy: Run) -> None:
    _, out, _ = serverproxy("--help")
    assert re.findall(r"^    ([a-z]+)\b", out, re.MULTILINE) == COMMANDS
    assert "\n  serverproxy status\n" in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(serverproxy: Run, shell: str) -> None:
    """What the script does is tried in the shells themselves (tests/integration/cli)."""
    code, out, err = serverproxy("completion", shell)
    assert (code, err) == (0, "")
    assert "serverproxy" in out
    assert "log-level" in out


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
        ([], "a command is missing: write run, check, status or completion"),
        (["play"], "'play' is not a command: write run, check, status or completion"),
        (
            ["rnu"],
            "'rnu' is not a command: write run, check, status or completion; did you mean run?",
        ),
        (["run", "--bogus"], "serverproxy run: --bogus is not a flag: leave it out"),
        (["run", "--lisen", ":1"], "--lisen is not a flag: did you mean --listen? (see"),
        (["run", "--chan=a=b"], "--chan is not a flag: did you mean --channel? (see"),
        (["run", "a", "b"], "'a' is one argument too many: leave it out; 'b' is one"),
        (["run", "--config"], "--config needs a value: write --config FILE"),
        (["run", "--channel"], "--channel needs a value: write --channel NAME=URL"),
        (["run", "--help=x"], "takes no value: leave it out"),
        (["completion"], "SHELL is missing: write it behind `serverproxy completion`"),
        (["completion", "csh"], "'csh' is not known: write bash, zsh or fish; did you mean zsh?"),
        (["run", "--channel", "cam"], "write NAME=URL"),
        (["run", "--channel", "=rtsp://h/"], "write NAME=URL"),
        (["run"], "there is no channel: write --channel NAME=URL"),
        (["run", "--channel", "cam=http://h/"], "--channel cam: is not a source"),
        (["run", "--channel", "cam=testcard:", "--listen", "x"], "--listen: 'x' has no port"),
        (
            ["run", "--channel", "cam=testcard:", "--log-level", "loud"],
            "--log-level: 'loud' is not known: write debug, info, warning or error",
        ),
        (["run", "--config", "none.yaml"], "none.yaml: cannot be read: No such file"),
        (
            ["check"],
            "FILE is missing: write it behind `serverproxy check` (see serverproxy check --help)",
        ),
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

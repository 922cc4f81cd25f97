"""The command line as a user meets it: words, exit codes, never a traceback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clientproxy.commandline import main
from tests.support.command_line import Run, run_here

SHIPPED = str(Path(__file__).parents[3] / "config" / "clientproxy.yaml")


@pytest.fixture
def clientproxy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Run the command line here; return exit code, standard output and standard error."""
    with run_here(main, capsys, monkeypatch) as run:
        yield run


def test_the_help_of_run_has_every_flag_and_examples(clientproxy: Run) -> None:
    code, out, _ = clientproxy("run", "--help")
    assert code == 0
    for flag in (
        "SERVER[:PORT]",
        "--config",
        "--listen",
        "--rtsp",
        "--http",
        "--max-children",
        "--join",
        "--log-level",
        "--log-format",
    ):
        assert f"  {flag} " in out
    assert "clientproxy run server.example --join cam" in out


def test_version(clientproxy: Run) -> None:
    code, out, _ = clientproxy("--version")
    assert code == 0
    assert out.startswith("clientproxy (Stripecast) ")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "a command is missing: write run, watch, check, status, doctor or"),
        (["watch"], "clientproxy watch: URL is missing: write it behind `clientproxy watch`"),
        (["watch", "studio/cam"], "URL: does not begin with rtsp://: write rtsp://studio/cam"),
        (
            ["watch", "rtsp://studio/cam", "--player", "nosuchplayer"],
            "--player: 'nosuchplayer' is not installed: write another, of mpv,",
        ),
        (["watch", "rtsp://studio/cam", "--player", "none", "--rtsp", "8554"], "--rtsp: '8554'"),
        (["status", "--http", "9855"], "--http: '9855' has no port"),
        (["run", "a", "b"], "clientproxy run: 'b' is one argument too many: leave it out"),
        (["run", "--max-childern", "2"], "not a flag: did you mean --max-children? (see"),
        (["run", "host:x"], "SERVER: 'host:x' has no port"),
        (
            ["run", "host", "--max-children", "many"],
            "--max-children: 'many' is not a whole number from 0 to 256",
        ),
        (
            ["run", "host", "--max-children", "-1"],
            "--max-children: -1 is not a whole number from 0 to 256: write one",
        ),
        (["run", "host", "--join", "a/b"], "--join: 'a/b' is not a name"),
        (
            ["run", "--join", "cam"],
            "--join: needs a server: write `server: HOST` or the argument SERVER",
        ),
        (["run", "host", "--rtsp", "8554"], "--rtsp: '8554' has no port"),
        (["check", "none.yaml"], "none.yaml: cannot be read: No such file"),
        (["doctor"], "SERVER[:PORT] is missing: write it behind `clientproxy doctor`"),
        (["doctor", "host", "--seconds", "60"], "'60' is not a number of seconds: write 0.5 to 10"),
        (["doctor", "host:x"], "SERVER: 'host:x' has no port"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(
    clientproxy: Run, args: list[str], words: str
) -> None:
    code, out, err = clientproxy(*args)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_check_takes_a_good_file(clientproxy: Run) -> None:
    assert clientproxy("check", SHIPPED) == (0, f"{SHIPPED}: no fault found\n", "")


def test_check_prints_every_fault_with_its_key(clientproxy: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("linger: soon\nallow_servers: ['h:0x']\nmax_children: 1000\n")
    code, out, err = clientproxy("check", str(file))
    assert (code, out) == (2, "")
    assert [line.removeprefix(f"{file}: ").split(": ")[0] for line in err.splitlines()] == [
        "linger (line 1)",
        "allow_servers.0 (line 2)",
        "max_children (line 3)",
    ]

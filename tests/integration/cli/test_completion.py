"""The scripts that shells load, in the shells themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.installed import missing

ROOT = Path(__file__).parents[3]
PROGRAMS = ("serverproxy", "clientproxy")

each_program = pytest.mark.parametrize("name", PROGRAMS)


def skip_without(shell: str) -> None:
    """Skip, in CI too: what these scripts do shows in any one of the shells."""
    if missing(shell):
        pytest.skip(f"not installed: {shell}")


def script(name: str, shell: str) -> str:
    """Return what `NAME completion SHELL` prints."""
    argv = [sys.executable, "-m", name, "completion", shell]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env, timeout=60)
    assert done.stderr == ""
    return done.stdout


def says(*argv: str) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split()


@each_program
def test_bash_completes_commands_flags_choices_and_files(name: str, tmp_path: Path) -> None:
    skip_without("bash")
    file, known = tmp_path / name, tmp_path / "known.yaml"
    file.write_text(script(name, "bash"))
    known.touch()

    def completed(*words: str) -> list[str]:
        """Return what the Tab key offers behind the last word."""
        quoted = " ".join(f"'{word}'" for word in (name, *words))
        return says(
            "bash",
            "--norc",
            "-c",
            f"source {file}; COMP_WORDS=({quoted}); COMP_CWORD={len(words)};"
            f" _shtab_{name} {name} '{words[-1]}' x; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        )

    assert {"run", "check", "completion"} <= set(completed(""))
    assert completed("ru") == ["run"]
    assert completed("status", "--o") == ["--once"]
    assert completed("run", "--log-") == ["--log-level", "--log-format"]
    assert completed("run", "--log-level", "") == ["debug", "info", "warning", "error"]
    assert completed("completion", "") == ["bash", "zsh", "fish"]
    assert completed("check", str(tmp_path / "kn")) == [str(known)]


@each_program
def test_fish_completes_commands_flags_choices_and_files(name: str, tmp_path: Path) -> None:
    skip_without("fish")
    file, known = tmp_path / f"{name}.fish", tmp_path / "known.yaml"
    file.write_text(script(name, "fish"))
    known.touch()

    def completed(line: str) -> list[str]:
        lines = subprocess.run(
            ["fish", "--no-config", "-c", f"source {file}; complete -C'{name} {line}'"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        assert lines.stderr == ""
        return [one.split("\t")[0] for one in lines.stdout.splitlines()]

    assert {"run", "check", "completion"} <= set(completed(""))
    assert sorted(completed("run --log-")) == ["--log-format", "--log-level"]
    assert set(completed("run --log-level ")) == {"debug", "info", "warning", "error"}
    assert completed(f"check {tmp_path}/kn") == [str(known)]


@each_program
def test_zsh_loads_the_script_as_the_completion_of_the_program(name: str, tmp_path: Path) -> None:
    skip_without("zsh")
    (tmp_path / f"_{name}").write_text(script(name, "zsh"))
    load = f"fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -u -D"
    found = says("zsh", "-f", "-c", f"{load}; print $_comps[{name}]; autoload +X _{name}")
    assert found == [f"_{name}"]
    says("zsh", "-f", "-n", str(tmp_path / f"_{name}"))

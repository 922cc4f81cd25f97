"""The man pages say what the parsers say, and nothing that man stumbles over."""

import argparse
import re
import subprocess
from pathlib import Path

import pytest

from scripts import manpages
from tests.support.installed import skip_unless_installed

each_program = pytest.mark.parametrize("program", sorted(manpages.PARSERS))


def rendered(program: str, folder: Path) -> str:
    """Return the page as man shows it; fails on any warning."""
    skip_unless_installed("man")
    manpages.main(str(folder))
    done = subprocess.run(
        ["man", "--local-file", "--warnings=w", str(folder / f"{program}.1")],
        env={
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "MANWIDTH": "200",
            "MAN_KEEP_FORMATTING": "",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@each_program
def test_every_flag_of_every_command_is_in_the_page(program: str, tmp_path: Path) -> None:
    text = rendered(program, tmp_path)
    for command in manpages.commands(manpages.PARSERS[program]()):
        # As it stands after its usage, up to the next command.
        _, found, after = text.partition(f"   {command.prog}\n")
        assert found
        section = re.split(r"\n   \w|\n\w", after)[0]
        for action in command._actions:  # noqa: SLF001 - argparse has no public name for it
            if action.dest == "help" or action.help == argparse.SUPPRESS:
                continue
            for flag in action.option_strings:
                assert re.search(rf"^ +{flag}\b", section, re.MULTILINE), flag
            words = (action.help or "").split()
            assert " ".join(words) in " ".join(section.split())


@each_program
def test_the_page_has_the_sections_that_man_pages_have(program: str, tmp_path: Path) -> None:
    text = rendered(program, tmp_path)
    headings = re.findall(r"^([A-Z][A-Z ]+)$", text, re.MULTILINE)
    assert headings[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"]
    assert headings[-6:] == [
        "EXAMPLES",
        "FILES",
        "SIGNALS",
        "EXIT STATUS",
        "ENVIRONMENT",
        "SEE ALSO",
    ]
    (name,) = re.findall(r"^NAME\n +(.*)$", text, re.MULTILINE)
    assert re.fullmatch(rf"{program} - [a-z].*[a-z]", name)


@each_program
def test_the_examples_are_those_of_help(program: str, tmp_path: Path) -> None:
    text = rendered(program, tmp_path)
    for command in manpages.commands(manpages.PARSERS[program]()):
        for line in (command.epilog or "").splitlines():
            if line.startswith(f"  {program} "):
                assert line.strip() in text


def test_what_roff_would_read_as_its_own_is_kept() -> None:
    assert manpages.verbatim("examples:\n  .x\n  a\\b -c\n\nexit codes: 0\n") == (
        ".PP\n.nf\n\\&.x\n\\&a\\eb \\-c\n.fi\n"
    )

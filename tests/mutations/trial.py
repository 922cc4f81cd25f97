"""Tries what the tests say without a rule: in a copy of the tree, never in the tree itself."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutations.rules import ROOT, Rule

SECONDS = 60.0
"""How long the tests of one rule may take; what hangs without a rule is caught too."""
BASELINE_SECONDS = 900.0
LEFT_OUT = (".venv", ".git", "__pycache__", ".*_cache", ".hypothesis", "dist")
_FAILED = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.MULTILINE)
_SOME_FAILED = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rule that was taken out."""

    rule: Rule
    caught: bool
    why: str
    """One word where it was caught; else what the tests said."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a run of pytest said."""

    code: int | None
    """None: it took too long."""
    failed: frozenset[str]
    text: str


class Copy:
    """A copy of the tree, in which one rule at a time is taken out."""

    def __init__(self, folder: Path) -> None:
        """Copy the tree into `folder`, which is not there yet."""
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
        self._folder = folder

    def baseline(self, rules: Sequence[Rule]) -> str | None:
        """Run all tests that the rules name; return what they say unless they pass."""
        said = self._pytest(
            sorted({test for rule in rules for test in rule.tests}), BASELINE_SECONDS
        )
        return None if said.code == 0 else said.text

    def without(self, rule: Rule) -> Outcome:
        """Take a rule out, run its tests, put it back."""
        try:
            path, without = rule.taken_out(self._folder)
        except ValueError as error:
            return Outcome(rule, False, str(error))
        text = path.read_text()
        path.write_text(without)
        try:
            said = self._pytest(rule.tests, SECONDS)
        finally:
            path.write_text(text)
        if said.code is None:
            return Outcome(rule, True, f"hangs for {SECONDS:g} s")
        if said.code != _SOME_FAILED:
            return Outcome(rule, False, f"exit code {said.code}\n{said.text}")
        passed = [test for test in rule.tests if not _is_among(test, said.failed)]
        return Outcome(rule, not passed, f"passed: {', '.join(passed)}" if passed else "caught")

    def _pytest(self, tests: Sequence[str], seconds: float) -> Said:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--tb=line",
            "-rf",
            "-p",
            "no:cacheprovider",
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self._folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment |= {"COLUMNS": "1000"}
        with subprocess.Popen(
            [*command, *tests],
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                text, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return Said(None, frozenset(), f"more than {seconds:g} s")
        failed = frozenset(_FAILED.findall(text))
        return Said(process.returncode, failed, "\n".join(text.splitlines()[-15:]))


def _is_among(test: str, failed: frozenset[str]) -> bool:
    return any(one == test or one.startswith(test + "[") for one in failed)

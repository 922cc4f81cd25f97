"""What a command says where standard output is full, closed, narrow or read by nobody."""

import io
import os
import subprocess
import sys

import pytest

from common.runtime import output
from common.runtime.output import OutputError, encodable

PROGRAM = """
import sys
from common.runtime import cli, output
from common.runtime.screen import Screen
from common.runtime.table import Line
try:
    {say}
except output.OutputError as error:
    sys.exit(cli.fail(error))
"""
WAYS = ["output.write('a → b … c\\n' * 9000)", "Screen().show([Line('a → b … c')] * 9000)"]


def run(say: str, redirected: str, **environment: str) -> tuple[int, str, str]:
    """Run a program of which a shell redirects the output; return exit code and what it said."""
    command = ["/bin/sh", "-c", f'"$0" "$@" {redirected}', sys.executable, "-c"]
    ended = subprocess.run(
        [*command, PROGRAM.format(say=say)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout.decode("latin-1"), ended.stderr.decode()


@pytest.mark.parametrize("say", WAYS)
@pytest.mark.parametrize(
    ("redirected", "why"),
    [("1</dev/null", "Bad file descriptor"), (">&-", "standard output is closed")],
)
def test_what_does_not_take_it_is_one_sentence(say: str, redirected: str, why: str) -> None:
    code, _, err = run(say, redirected)
    assert (code, err) == (1, f"cannot write the output: {why}\n")


@pytest.mark.parametrize("say", WAYS)
def test_where_nobody_reads_it_the_end_is_quiet(say: str) -> None:
    code, out, err = run(say, "| true; true")
    assert (code, out, err) == (0, "", "")


@pytest.mark.parametrize("say", WAYS)
def test_signs_that_the_encoding_lacks_are_replaced(say: str) -> None:
    code, out, err = run(say, "", PYTHONIOENCODING="latin-1")
    assert (code, out[:10], err) == (0, "a > b ~ c\n", "")


def test_a_sign_stays_one_sign() -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), "ascii")
    assert encodable("é → …", ascii_only) == "? > ~"
    assert encodable("é → …", io.StringIO()) == "é → …"


@pytest.mark.parametrize("redirected", ["2>&-", "2</dev/null"])
def test_standard_error_that_takes_nothing_ends_nothing(redirected: str) -> None:
    assert run("output.complain('x')\n    output.write('y')", redirected)[:2] == (0, "y")


def test_what_is_complained_of_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain("a\nb\x1b[31m")
    assert capsys.readouterr().err == "a\\nb\\x1b[31m\n"


def test_no_standard_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="closed"):
        output.write("x")

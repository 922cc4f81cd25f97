"""The documentation names nothing that is not there."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from clientproxy.commandline import main as clientproxy
from serverproxy.commandline import main as serverproxy

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
DOCS = [README, ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md")), *ROOT.glob("docs/adr/*.md")]
PROGRAMS = {"serverproxy": serverproxy, "clientproxy": clientproxy}
UNITS = {"": 1, "bytes": 1, "s": 1, "KiB": 1 << 10, "MiB": 1 << 20}

each_doc = pytest.mark.parametrize("doc", DOCS, ids=lambda doc: str(doc.relative_to(ROOT)))


@each_doc
def test_every_path_that_a_doc_names_exists(doc: Path) -> None:
    """Paths are written from the root of the repository."""
    tops = "common|serverproxy|clientproxy|tests|scripts|config|docs|bench|typings"
    named = re.findall(rf"(?<![\w./-])(?:{tops})/[\w./-]*\w", doc.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


@each_doc
def test_every_link_within_the_repository_leads_somewhere(doc: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", doc.read_text())
    assert [target for target in targets if not (doc.parent / target).exists()] == []


def test_the_architecture_names_the_modules_of_every_layer() -> None:
    text = ARCHITECTURE.read_text()
    for layer in ("common", "common/runtime", "serverproxy/core", "serverproxy/net"):
        assert f"`{layer}/" in text
    assert text.count(".py`") > 40


def test_bounds_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\|[^|]+\| (?:twice in )?([\d.]+) ?(\w*)[^|]*\|[^|]+\| `([A-Z_]+)` \| `([\w/]+)\.py` \|$",
        ARCHITECTURE.read_text(),
        re.MULTILINE,
    )
    assert len(rows) == ARCHITECTURE.read_text().count(".py` |\n") - 2  # keys have no constant
    for number, unit, constant, path in rows:
        module = importlib.import_module(path.replace("/", "."))
        expected = float(number) * UNITS.get(unit, 1)
        assert getattr(module, constant) == expected, f"{path}: {constant}"


def commands() -> list[str]:
    """Return every line of the README's shell blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def daemons(lines: list[str]) -> list[str]:
    return [line for line in lines if Path(line.split()[0]).name in PROGRAMS]


def test_the_readme_shows_how_to_run_and_check_both_daemons_and_to_watch() -> None:
    shown = {(Path(line.split()[0]).name, line.split()[1]) for line in daemons(commands())}
    both = {(name, verb) for name in PROGRAMS for verb in ("run", "check")}
    assert shown == {*both, ("clientproxy", "watch")}


@pytest.mark.parametrize("line", daemons(commands()))
def test_daemons_take_the_arguments_that_the_readme_shows(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--help` last: all that stands before it is read, nothing is run."""
    program, *args = shlex.split(line)
    with pytest.raises(SystemExit) as ended:
        PROGRAMS[Path(program).name]([*args, "--help"])
    assert ended.value.code == 0
    help_text = capsys.readouterr().out
    for flag in args:
        if flag.startswith("--"):
            assert f"  {flag} " in help_text


def test_make_has_every_target_that_a_doc_names() -> None:
    named = {
        target
        for doc in (README, ARCHITECTURE)
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", doc.read_text(), re.MULTILINE)
    }
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "check"} <= named <= targets


def test_the_readme_says_what_ci_calls() -> None:
    assert "CI calls `make test`." in README.read_text()
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()

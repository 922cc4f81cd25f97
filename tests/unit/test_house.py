"""The rules of the house that no tool checks by itself."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELL_OF_COMMON = "runtime"


def modules_of(package: str) -> set[str]:
    found = (ROOT / package).iterdir()
    return {path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").exists()}


def test_every_pure_module_of_common_is_kept_from_doing_io() -> None:
    """The contract that forbids asyncio, sockets and clocks has to name each module."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = (
        contract
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "forbidden"
    )
    pure = modules_of("common") - {"__init__", SHELL_OF_COMMON}
    assert set(contract["source_modules"]) == {
        "serverproxy.core",
        "clientproxy.core",
        *(f"common.{module}" for module in pure),
    }


LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-build.lock"]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_holds_names_versions_and_hashes_only(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", "")
    for line in text.splitlines():
        assert re.fullmatch(
            r"[a-z0-9-]+==[0-9a-z.]+( ; [a-z_]+ [<>=!]+ '[A-Za-z0-9.]+')?"
            r"( +--hash=sha256:[0-9a-f]{64})+ *",
            line,
        ), line[:100]


def test_the_lock_files_hold_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [*project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        needed += extra
    assert names(needed) <= names((ROOT / "requirements.lock").read_text().splitlines())
    groups = project["dependency-groups"]
    needed += groups["build"] + [one for one in groups["dev"] if isinstance(one, str)]
    assert names(needed) <= names((ROOT / "requirements-dev.lock").read_text().splitlines())


def test_a_wheel_is_made_with_the_tools_that_a_checkout_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = pinned("requirements-build.lock")
    assert names(project["dependency-groups"]["build"]) <= names(list(build))
    assert build <= pinned("requirements-dev.lock")


def pinned(lock: str) -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+==[0-9a-z.]+", (ROOT / lock).read_text(), re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", one) for one in requirements)
    return {re.sub(r"[._]", "-", match[0]).lower() for match in found if match}


def test_make_alone_prints_every_target() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    shown = set(re.findall(r"^make ([a-z0-9-]+) ", done.stdout, re.MULTILINE))
    phony = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert shown == set(" ".join(phony).split())

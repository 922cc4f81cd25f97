"""What docs/operations.md has jq do with the log."""

import io
import json
import logging
import subprocess
from collections.abc import Iterator
from functools import partial

import pytest

from common.runtime import log
from serverproxy.core.chronicle import Chronicle
from serverproxy.net.story import tell
from tests.support.documents import ROOT, all_commands
from tests.support.installed import skip_unless_installed

COMMANDS = [
    one.text.partition("| jq ")[2]
    for one in all_commands()
    if one.file == "docs/operations.md" and "| jq " in one.text
]


@pytest.fixture
def journal() -> Iterator[str]:
    """Return the log of a node that loses a parent and has another, and what is no log."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with io.StringIO() as stream:
        log.configure("info", "json", stream)
        chronicle = Chronicle(lambda happening: tell("cam", happening))
        add = partial(chronicle.add, node="n3-j0ua", stripe=0, before="n1-j0ua", reason="closed")
        add("orphaned", 0)
        add("repaired", 0, parent="root")
        chronicle.add("left", 0, node="n1-j0ua")
        root.handlers[:], root.level = handlers, level
        logging.captureWarnings(capture=False)
        yield stream.getvalue()


@pytest.mark.parametrize("command", COMMANDS)
def test_jq_finds_it(command: str, journal: str) -> None:
    skip_unless_installed("jq")
    text = journal + ("Stopped serverproxy.service.\n" if "-R" in command else "")
    shell = ["bash", "-c", f"jq {command}"]
    done = subprocess.run(shell, input=text, capture_output=True, text=True, cwd=ROOT, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == (3 if "-R" in command else 2)
    assert all("n1-j0ua" in one[-1] for one in found[:2])


def test_there_are_such_commands() -> None:
    assert len(COMMANDS) == 3

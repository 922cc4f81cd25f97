"""The list of rules, and how one is taken out of the code."""

import re
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("rules.yaml")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of what is done about failures, and the edit that takes it out."""

    rule: str
    """In words."""
    of: str
    """Where it is asked for."""
    where: str
    """A module, or a folder with the one that has it."""
    before: str
    """Text that is found there once."""
    after: str
    """What stands there without the rule."""
    tests: tuple[str, ...]
    """Each of these tests fails without it; without brackets: for some parameter at least."""

    def taken_out(self, root: Path = ROOT) -> tuple[Path, str]:
        """Return the module and its text without the rule; ValueError unless it is found once."""
        there = root / self.where
        paths = sorted(there.rglob("*.py")) if there.is_dir() else [there]
        found = [(path, text) for path in paths if self.before in (text := path.read_text())]
        if (count := sum(text.count(self.before) for _, text in found)) != 1:
            raise ValueError(f"{self.where} has {self.before!r} {count} times: {self.rule}")
        path, text = found[0]
        return path, text.replace(self.before, self.after)


def load(path: Path = LIST) -> list[Rule]:
    """Read the list."""
    return msgspec.yaml.decode(path.read_bytes(), type=list[Rule])


def is_there(node_id: str, root: Path = ROOT) -> bool:
    """Whether a test of this name is in that file."""
    path, _, name = node_id.partition("::")
    bare, _, parameter = name.partition("[")
    if bare == "test_scenario" and parameter:
        return (root / path).with_name(parameter.rstrip("]") + ".txt").exists()
    return re.search(rf"\b{bare}\b", (root / path).read_text()) is not None

"""The list of rules, and how one is taken out of a file."""

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
    """Where it is asked for: a section of the design, an item of the issue."""
    file: str
    before: str
    """Text that is found once in `file`."""
    after: str
    """What stands there without the rule."""
    tests: tuple[str, ...]
    """Each of these tests fails without it; without brackets: for some parameter at least."""

    def taken_out(self, text: str) -> str:
        """Return the text of the file without the rule; ValueError where it is not found once."""
        if (count := text.count(self.before)) != 1:
            raise ValueError(f"{self.file} has {self.before!r} {count} times: {self.rule}")
        return text.replace(self.before, self.after)


def load(path: Path = LIST) -> list[Rule]:
    """Read the list."""
    return msgspec.yaml.decode(path.read_bytes(), type=list[Rule])


def is_there(node_id: str, root: Path = ROOT) -> bool:
    """Whether a test of this name is in that file."""
    path, _, name = node_id.partition("::")
    bare, _, parameter = name.partition("[")
    if bare == "test_scenario" and parameter:
        return (root / path).with_name(parameter.rstrip("]") + ".txt").exists()
    last = bare.rpartition("::")[2]
    if last == "runTest":  # Hypothesis' state machines
        last = bare.partition("::")[0]
    return re.search(rf"\b{last}\b", (root / path).read_text()) is not None

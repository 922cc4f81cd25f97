"""Takes each rule of what is done about failures out, one by one: some test has to notice.

Exit code 1 where a rule can be taken out and no test that the list names for it fails, 2 where
these tests fail as the tree is.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutations.rules import Rule, load
from tests.mutations.trial import Copy, Outcome


def main() -> int:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("only", nargs="*", help="only rules whose words or place have one of these")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="rules at a time (2)")
    parser.add_argument("--table", action="store_true", help="show which test catches which, only")
    given = parser.parse_args()
    rules = [r for r in load() if not given.only or any(w in r.rule + r.where for w in given.only)]
    if given.table:
        print("\n".join(table(rules)))
        return 0
    outcomes = [] if not rules else _try(rules, max(1, given.jobs))
    if outcomes is None:
        return 2
    survived = [one for one in outcomes if not one.caught]
    print(f"{len(rules)} rules taken out, {len(rules) - len(survived)} noticed")
    return 1 if survived else 0


def table(rules: list[Rule]) -> list[str]:
    """Return a table of Markdown: which test catches which rule."""
    rows = [f"| {one.rule} | {one.of} | {', '.join(map(_short, one.tests))} |" for one in rules]
    return ["| rule | of | noticed by |", "| --- | --- | --- |", *rows]


def _try(rules: list[Rule], jobs: int) -> list[Outcome] | None:
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(jobs):
            copies.put(Copy(Path(folder) / str(number)))
        first = copies.get()
        said = first.baseline(rules)
        copies.put(first)
        if said is not None:
            print(f"the tests fail as the tree is:\n{said}", file=sys.stderr)
            return None

        def attempt(rule: Rule) -> Outcome:
            copy = copies.get()
            try:
                outcome = copy.without(rule)
            finally:
                copies.put(copy)
            how = outcome.why if outcome.caught else f"SURVIVED ({outcome.why})"
            print(f"{how}: {rule.rule}", flush=True)
            return outcome

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(attempt, rules))


def _short(test: str) -> str:
    path, _, name = test.partition("::")
    name = name.removesuffix("::runTest").removeprefix("test_scenario")
    return f"`{Path(path).stem}::{name}`" if not name.startswith("[") else f"scenario {name[1:-1]}"


if __name__ == "__main__":
    sys.exit(main())

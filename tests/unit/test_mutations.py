"""The list of rules that can be taken out fits the code."""

from pathlib import Path

import pytest

from tests.mutations.rules import Rule, is_there, load

RULES = load()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_a_rule_is_found_once_and_what_is_left_is_python(rule: Rule) -> None:
    path, text = rule.taken_out()
    compile(text, path, "exec")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule)
def test_the_tests_that_notice_it_are_there(rule: Rule) -> None:
    assert rule.tests
    assert [test for test in rule.tests if not is_there(test)] == []


def test_no_rule_stands_there_twice() -> None:
    assert len({rule.rule for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("where", ["core/a.py", "core"])
def test_what_is_not_found_once_is_said(where: str, tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    module, other = tmp_path / "core" / "a.py", tmp_path / "core" / "b.py"
    rule = Rule("a rule", "5", where, "x", "", ("t.py::t",))
    module.write_text("a x b")
    assert rule.taken_out(tmp_path) == (module, "a  b")
    for text in ("", "x x"):
        module.write_text(text)
        with pytest.raises(ValueError, match="a rule"):
            rule.taken_out(tmp_path)
    module.write_text("x")
    other.write_text("x")
    if where == "core":
        with pytest.raises(ValueError, match="a rule"):
            rule.taken_out(tmp_path)


def test_a_test_that_is_not_there_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def test_one() -> None: ...\n")
    assert is_there("a.py::test_one[x]", tmp_path)
    assert not is_there("a.py::test_on", tmp_path)

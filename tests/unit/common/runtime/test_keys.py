"""What changes when a configuration is read again."""

import io
import logging
from typing import Annotated

import pytest

from common.runtime import keys, log
from common.runtime.config import Settings
from common.runtime.keys import Key, changes, follow, take, tell
from common.runtime.log import LogLevel


class Part(Settings):
    port: Annotated[int, Key("restart")] = 1
    other: Annotated[int, Key("restart")] = 1
    level: Annotated[str, Key("now")] = "low"
    source: Annotated[str, Key("source")] = "x"
    undecided: int = 0


def test_changes_are_told_by_what_they_do() -> None:
    new = Part(port=2, level="high", source="y", undecided=3)
    assert changes(Part(), new) == {
        "restart": ["port", "undecided"],
        "now": ["level"],
        "source": ["source"],
    }
    assert changes(new, new) == {}


def test_what_needs_a_restart_keeps_its_value_and_is_told_again() -> None:
    config, by_effect = follow(Part(), Part(port=2, level="high"))
    assert (config.port, config.level) == (1, "high")
    assert by_effect == {"restart": ["port"], "now": ["level"]}
    config, by_effect = follow(config, Part(port=2, level="high"))
    assert by_effect == {"restart": ["port"]}
    assert follow(config, Part(level="high")) == (config, {})


def test_keys_that_are_the_callers_own_are_taken_and_not_told() -> None:
    config, by_effect = follow(Part(), Part(source="y"), apart=("source",))
    assert (config.source, by_effect) == ("y", {})


def test_each_effect_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tell({"now": ["a", "b"], "restart": ["c"]}, channel="cam")
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", "reloaded: a, b: counts at once"),
        ("WARNING", "reloaded: c: needs a restart"),
    ]
    assert {vars(one)["channel"] for one in caplog.records} == {"cam"}


@pytest.mark.parametrize(("before", "after"), [("info", "error"), ("error", "info")])
def test_another_level_of_the_log_is_told_by_the_one_that_says_more(
    before: LogLevel, after: LogLevel, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, lines = logging.getLogger(), io.StringIO()
    kept, level = root.handlers[:], root.level
    monkeypatch.setattr(keys, "configure", lambda to, style: log.configure(to, style, lines))
    try:
        log.configure(before, "text", lines)
        take({"now": ["log_level"]}, after, "text")
        assert "reloaded: log_level: counts at once" in lines.getvalue()
        assert root.level == getattr(logging, after.upper())
    finally:
        root.handlers[:], root.level = kept, level
        logging.captureWarnings(capture=False)

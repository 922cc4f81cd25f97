from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import ConfigError
from common.runtime import strictyaml


@pytest.fixture(autouse=True, params=[yaml.SafeLoader, yaml.CSafeLoader], ids=["python", "libyaml"])
def _both_parsers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libyaml is not there PyYAML's own parser reads: what is refused is the same."""
    monkeypatch.setattr(strictyaml, "LOADER", request.param)


def faults_of(text: str) -> list[str]:
    """Return the faults of a text, whether it could be read otherwise or not."""
    try:
        return [fault.text for fault in strictyaml.parse(text).faults]
    except ConfigError as error:
        return error.faults


def test_only_what_looks_like_a_number_is_one() -> None:
    """YAML 1.1 reads these as false, true, 8, 45045, a date and infinity; here they are text."""
    text = "a: no\nb: on\nc: 010\nd: 12:30:45\ne: 2020-01-01\nf: .inf\ng: 0x1F\nh: 1_000\ni: 1e3"
    assert strictyaml.parse(text).values == {
        "a": "no",
        "b": "on",
        "c": "010",
        "d": "12:30:45",
        "e": "2020-01-01",
        "f": ".inf",
        "g": "0x1F",
        "h": "1_000",
        "i": "1e3",
    }


def test_numbers_truth_values_and_nothing_are_read() -> None:
    text = "a: 5\nb: -0.5\nc: true\nd: false\ne: null\nf: ~\ng:\nh: [1, 'x']\ni: {j: 2}"
    assert strictyaml.parse(text).values == {
        "a": 5,
        "b": -0.5,
        "c": True,
        "d": False,
        "e": None,
        "f": None,
        "g": None,
        "h": (1, "x"),
        "i": {"j": 2},
    }


def test_quotes_make_text() -> None:
    assert strictyaml.parse("a: '5'\nb: \"true\"").values == {"a": "5", "b": "true"}


def test_every_value_has_its_line() -> None:
    document = strictyaml.parse("a:\n  b: 1\n\n  c:\n  - 2\n  - 3\n")
    assert document.lines == {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "c"): 4,
        ("a", "c", 0): 5,
        ("a", "c", 1): 6,
    }


def test_a_key_that_comes_twice_is_refused_with_both_lines() -> None:
    assert faults_of("x:\n  a: 1\n  b: 2\n  a: 3\n") == [
        "x.a (line 4): stands in line 2 already: keep one of them"
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: &x 1\nb: *x", "line 1: anchors"),
        ("a: !!python/object/apply:os.system [id]", "line 1: tags"),
        ("a: 1\nb: !!int '3'", "line 2: tags"),
        ("a: " + "[" * 2000, "nested deeper"),
        ("- 1\n- 2", "line 1: is not a mapping"),
        ("just words", "line 1: is not a mapping"),
        ("a: 1\n---\nb: 2", "is not YAML"),
        ("a: [1", "is not YAML"),
        ("a:\n\t- 1", "; indent with spaces, not with tabs"),
        ("a:\n  b: 1\n\tc: 2", "; indent with spaces, not with tabs"),
        ("a:\n  source: testcard:", "line 2: is not YAML: mapping values are not allowed"),
        ("a:\n  source: testcard:", "; a value that ends in `:`, has `: ` in it or begins with %"),
        ("a: {source: testcard:}", "stands in quotes"),
        ("a: %b", "stands in quotes"),
        ("? [a, b]\n: 1", "line 1: a key is one word"),
        ("a: \x00", "is not YAML"),
    ],
)
def test_what_is_no_plain_mapping_is_refused(text: str, part: str) -> None:
    assert part in faults_of(text)[0]


def test_an_empty_text_is_an_empty_mapping() -> None:
    assert strictyaml.parse("# nothing but a comment\n").values == {}


def test_a_file_that_cannot_be_read_is_one_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        strictyaml.read(tmp_path / "none.yaml")
    assert refused.value.faults == [
        f"{tmp_path}/none.yaml: cannot be read: No such file or directory"
    ]
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        strictyaml.read(tmp_path)


def test_a_file_that_is_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (strictyaml.MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than"):
        strictyaml.read(large)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 3\)"):
        strictyaml.read(binary)


@given(st.text() | st.text(alphabet="ab:- \n\t[]{}#'\"&*!|>?%@0.~"))
@example("a: \ud800")
@example("? ? a")
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        document = strictyaml.parse(text)
    except ConfigError:
        return
    assert all(isinstance(key, str) for key in document.values)


def test_a_document_keeps_all_its_faults_and_what_can_be_read() -> None:
    document = strictyaml.parse("a: !!str 1\na: 2\n? [x]\n: 1\nb: &x 1\nb: 2\nc: 3\n")
    assert document.faults == [
        (1, "line 1: tags are not allowed: write the value without"),
        (5, "line 5: anchors and aliases are not allowed: write the value out"),
        (2, "a (line 2): stands in line 1 already: keep one of them"),
        (3, "line 3: a key is one word"),
        (6, "b (line 6): stands in line 5 already: keep one of them"),
    ]
    assert document.values == {"a": 1, "b": 1, "c": 3}


def test_aliases_are_never_followed() -> None:
    """Ten of them in ten lines would be a thousand million values, or endless ones."""
    bomb = "a: &a [x]\n" + "".join(f"{n}: &{n} [*{p}, *{p}]\n" for p, n in pairwise("abcdefgh"))
    for text in (bomb, "a: &x [*x]"):
        with pytest.raises(ConfigError, match="anchors and aliases are not allowed"):
            strictyaml.parse(text)

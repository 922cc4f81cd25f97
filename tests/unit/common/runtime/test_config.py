from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, SecretStr

from common.errors import ConfigError
from common.ids import Address
from common.runtime.addresses import ListenAddress, PeerAddress
from common.runtime.config import ChannelName, Draft, Settings


class Part(Settings):
    size: Annotated[int, Field(ge=1, le=9)] = 1
    kind: Literal["big", "small"] = "big"


class Model(Settings):
    flag: bool = False
    count: Annotated[int, Field(ge=0, le=100)] = 0
    hold: Annotated[float, Field(gt=0, lt=60)] = 1.0
    word: str = ""
    name: Annotated[str, Field(min_length=1, max_length=3)] = "x"
    key: Annotated[str, Field(min_length=4)] = "xxxx"
    password: SecretStr | None = None
    names: tuple[ChannelName, ...] = ()
    listen: ListenAddress = Address("", 7854)
    peer: PeerAddress | None = None
    parts: dict[ChannelName, Part] = Field(default_factory=dict)
    needed: str


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yaml"


def load(file: Path, text: str) -> Model:
    file.write_text(text)
    return Draft(file).model(Model)


def faults(file: Path, text: str) -> list[str]:
    """Return the faults of a text, without the file's name."""
    with pytest.raises(ConfigError) as refused:
        load(file, text)
    return [fault.removeprefix(f"{file}: ") for fault in refused.value.faults]


def test_defaults_fill_what_is_not_said(file: Path) -> None:
    model = load(file, "needed: x")
    assert (model.flag, model.count, model.hold, model.listen) == (False, 0, 1.0, ("", 7854))


def test_values_arrive_with_their_types(file: Path) -> None:
    model = load(file, "needed: x\nflag: true\nhold: 2\nnames: [a, b]\nparts: {p: {size: 3}}")
    assert model.flag is True
    assert model.hold == 2.0
    assert model.names == ("a", "b")
    assert model.parts["p"].size == 3


def test_all_faults_come_at_once_each_with_key_and_line(file: Path) -> None:
    assert faults(file, "count: 101\nhold: soon\nparts:\n  p:\n    size: 0\n    knid: big\n") == [
        "count (line 1): 101 is out of bounds: write a number of at most 100",
        "hold (line 2): 'soon' is not a number: write it in digits and without quotes, such as 5"
        " or 0.5",
        "parts.p.size (line 5): 0 is out of bounds: write a number of at least 1",
        "parts.p.knid (line 6): is not a key: did you mean kind?",
        "needed: is missing: write `needed: …`",
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("flag: no", "flag (line 2): 'no' is neither true nor false: write true or false"),
        ("flag: on", "flag (line 2): 'on' is neither true nor false: write true or false"),
        ("flag: 1", "flag (line 2): 1 is neither true nor false: write true or false"),
        (
            "count: 010",
            "count (line 2): '010' is not a whole number: write digits without leading zeros and"
            " without quotes",
        ),
        (
            "count: 1.5",
            "count (line 2): 1.5 is not a whole number: write digits without leading zeros and"
            " without quotes",
        ),
        (
            "count: true",
            "count (line 2): true is not a whole number: write digits without leading zeros and"
            " without quotes",
        ),
        (
            "hold: 12:30:45",
            "hold (line 2): '12:30:45' is not a number: write it in digits and without quotes,"
            " such as 5 or 0.5",
        ),
        ("hold: 60", "hold (line 2): 60 is out of bounds: write a number below 60.0"),
        ("word: 5", "word (line 2): 5 is not text: write it in quotes"),
        ("word:", "word (line 2): nothing is not text: write it in quotes"),
        ("word: [a]", "word (line 2): a list is not text: write it in quotes"),
        ("word: {a: b}", "word (line 2): a mapping is not text: write it in quotes"),
        ("names: a", "names (line 2): 'a' is not a list: write [one, two]"),
        (
            "names: [a, b/c]",
            "names.1 (line 2): 'b/c' is not a name: write 1 to 64 of A-Z a-z 0-9 . _ -,"
            " no dot first",
        ),
        (
            "parts: {a b: {}}",
            "parts.a b (line 2): 'a b' is not a name: write 1 to 64 of A-Z a-z 0-9 . _ -,"
            " no dot first",
        ),
        (
            "parts: {p: 1}",
            "parts.p (line 2): 1 is not a mapping: write `key: value` lines below it",
        ),
        (
            "parts: {p: {kind: huge}}",
            "parts.p.kind (line 2): 'huge' is not known: write 'big' or 'small'",
        ),
        ("name: ''", "name (line 2): '' is empty: write it out, or leave the key away"),
        ("name: abcd", "name (line 2): 'abcd' is too long: at most 3 characters"),
        ("key: abc", "key (line 2): 'abc' is too short: at least 4 characters"),
        (
            "colour: red",
            "colour (line 2): is not a key: the keys here are count, flag, hold, key, listen,"
            " name, names, needed, parts, password, peer, word",
        ),
        (
            "listen: 7854",
            "listen (line 2): 7854 is not an address: write HOST:PORT, or :PORT for all addresses",
        ),
        (
            "listen: host",
            "listen (line 2): 'host' has no port: write HOST:PORT, or :PORT for all addresses",
        ),
        (
            "peer: host:http",
            "peer (line 2): 'host:http' has no port between 0 and 65535: write HOST:PORT",
        ),
    ],
)
def test_a_fault_says_what_is_wrong_and_what_to_write(file: Path, line: str, sentence: str) -> None:
    assert faults(file, f"needed: x\n{line}\n") == [sentence]


def test_a_fault_names_the_file(file: Path) -> None:
    file.write_text("needed: x\ncount: many")
    with pytest.raises(ConfigError, match=r"x\.yaml: count "):
        Draft(file).model(Model)


def test_a_long_value_is_cut_short(file: Path) -> None:
    (fault,) = faults(file, "needed: x\ncount: " + "9" * 5000)
    assert len(fault) < 300


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("'[::1]:80'", ("::1", 80)),
        ("':80'", ("", 80)),
        ("host.example:80", ("host.example", 80)),
    ],
)
def test_listen_addresses(file: Path, text: str, address: tuple[str, int]) -> None:
    assert load(file, f"needed: x\nlisten: {text}").listen == address


def test_a_peer_without_a_port_has_port_zero(file: Path) -> None:
    assert load(file, "needed: x\npeer: host").peer == ("host", 0)


def test_a_flag_wins_over_the_file(file: Path) -> None:
    file.write_text("needed: x\ncount: 1\nparts: {p: {size: 2, kind: small}}")
    draft = Draft(file)
    draft.set(("count",), 7, "--count")
    draft.set(("parts", "p", "size"), 3, "--part p")
    model = draft.model(Model)
    assert model.count == 7
    assert model.parts["p"] == Part(size=3, kind="small")


def test_a_fault_of_a_flag_names_the_flag(file: Path) -> None:
    file.write_text("needed: x\ncount: 1\nparts: none")
    draft = Draft(file)
    draft.set(("count",), 700, "--count")
    draft.set(("parts", "p", "size"), 3, "--part p")
    draft.set(("parts", "q q", "size"), 3, "--part q q")
    with pytest.raises(ConfigError) as refused:
        draft.model(Model)
    assert refused.value.faults == [
        "--count: 700 is out of bounds: write a number of at most 100",
        "--part q q: 'q q' is not a name: write 1 to 64 of A-Z a-z 0-9 . _ -, no dot first",
    ]


def test_a_secret_is_in_no_fault_and_no_repr(file: Path) -> None:
    assert faults(file, "needed: x\npassword: 31415\n") == [
        "password (line 2): the value is not text: write it in quotes"
    ]
    model = load(file, "needed: x\npassword: 'geheim'")
    assert model.password is not None
    assert model.password.get_secret_value() == "geheim"
    assert "geheim" not in repr(model) + str(model)


def test_a_model_is_frozen(file: Path) -> None:
    model = load(file, "needed: x")
    with pytest.raises(ValueError, match="frozen"):
        model.count = 3

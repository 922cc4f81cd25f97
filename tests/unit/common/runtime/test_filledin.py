"""`${…}`: what comes from the environment and from systemd, and that it never shows."""

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from clientproxy.config import ClientConfig
from common.errors import ConfigError
from common.runtime.config import Draft, Settings
from common.runtime.filledin import MAX_CREDENTIAL_BYTES, fill
from common.runtime.strictyaml import Value
from serverproxy.config import ChannelConfig, ServerConfig


def filled(value: Value, **environment: str) -> Value:
    """Return what becomes of one value."""
    result = fill({"key": value}, environment)
    assert result.faults == {}
    return result.values["key"]


def fault(value: Value, **environment: str) -> str:
    """Return what is wrong with one value, which then stands as it was."""
    result = fill({"key": value}, environment)
    assert result.values["key"] == value
    return result.faults["key",]


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwo wordsz"),
        ("${NONE:-plain}", "plain"),
        ("${NONE:-}", ""),
        ("${EMPTY:-plain}", "plain"),
        ("${A:-plain}", "one"),
        ("${NONE:-a:-b c}", "a:-b c"),
        ("$A ${A} $", "$A one $"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("${NESTED}", "${A}"),
        ("no form at all", "no form at all"),
        (("${A}", 5), ("one", 5)),
        ({"deep": {"er": "${A}"}}, {"deep": {"er": "one"}}),
        (7, 7),
        (None, None),
        ("${NUMBER}", "5"),
    ],
)
def test_a_form_becomes_text(value: Value, becomes: Value) -> None:
    """What comes out is not looked at again, and is no number whatever it looks like."""
    environment = {"A": "one", "B": "two words", "EMPTY": "", "NESTED": "${A}", "NUMBER": "5"}
    assert filled(value, **environment) == becomes


@pytest.mark.parametrize("text", ["${", "${A", "${}", "${a b}", "${1}", "${A-b}", "${credential:}"])
def test_a_form_that_is_none_is_a_fault(text: str) -> None:
    assert fault(text, A="x").startswith("has a ${ that names nothing: write ${NAME}")


@pytest.mark.parametrize("environment", [{}, {"PASS": ""}])
def test_a_variable_that_is_not_set_is_a_fault_that_names_it(environment: dict[str, str]) -> None:
    assert fault("${PASS}", **environment) == (
        "takes the environment variable PASS, which is not set or empty: set it, or write"
        " ${PASS:-TEXT}"
    )


def test_a_credential_is_a_file_in_the_directory_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "cam-1.key").write_text("wald und wiese\n")
    (tmp_path / "windows").write_bytes(b"two\nlines\r\n")
    folder = str(tmp_path)
    assert filled("${credential:cam-1.key}", CREDENTIALS_DIRECTORY=folder) == "wald und wiese"
    assert filled("<${credential:windows}>", CREDENTIALS_DIRECTORY=folder) == "<two\nlines>"


def test_a_credential_that_is_not_there_says_how_to_load_it(tmp_path: Path) -> None:
    assert "LoadCredential=cam:/path" in fault("${credential:cam}")
    assert fault("${credential:cam}", CREDENTIALS_DIRECTORY=str(tmp_path)) == (
        "takes the credential cam, which cannot be read: No such file or directory: write"
        " LoadCredential=cam:/path/to/file into the systemd unit"
    )


def test_a_credential_is_bounded_text(tmp_path: Path) -> None:
    for name, content in {
        "empty": b"\n",
        "large": b"x" * (MAX_CREDENTIAL_BYTES + 1),
        "bytes": b"\xff\xfe",
    }.items():
        (tmp_path / name).write_bytes(content)
        text = fault(f"${{credential:{name}}}", CREDENTIALS_DIRECTORY=str(tmp_path))
        assert text.startswith(f"takes the credential {name}, which ")


@pytest.mark.parametrize("name", ["../cam", "a/b", "..", ".", "/etc/hostname"])
def test_a_credential_never_leaves_its_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "cam").write_text("x")
    folder = tmp_path / "credentials"
    folder.mkdir()
    text = fault(f"${{credential:{name}}}", CREDENTIALS_DIRECTORY=str(folder))
    assert text.startswith("has a ${ that names nothing")


# --- in a configuration


def faults_of(model: type[Settings], file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        Draft(file).model(model)
    return [one.removeprefix(f"{file}: ") for one in refused.value.faults]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yaml"


def test_secrets_reach_the_model(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_USER", "us@er")
    monkeypatch.setenv("CAM_PASSWORD", "012345")
    file.write_text(
        "channels:\n"
        "  a: {source: 'rtsp://h/', username: '${CAM_USER}', password: '${CAM_PASSWORD}'}\n"
        "  b:\n    source: rtsp://${CAM_USER}:${CAM_PASSWORD}@h/live\n"
    )
    channels = Draft(file).model(ServerConfig).channels
    for channel in channels.values():
        assert channel.username == "us@er"
        assert channel.password is not None
        assert channel.password.get_secret_value() == "012345"
    assert channels["b"].source == "rtsp://h/live"


def test_what_is_not_set_is_told_with_all_other_faults(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that could not be filled in is not complained about a second time."""
    monkeypatch.delenv("NONE", raising=False)
    text = (
        "log_level: loud\n"
        "channels:\n"
        "  a:\n"
        "    source: rtsp://${NONE}@h/\n"
        "    password: ${NONE}\n"
        "    stripes: 3\n"
    )
    found = faults_of(ServerConfig, file, text)
    assert [one.partition(": ")[0] for one in found] == [
        "log_level (line 1)",
        "channels.a.source (line 4)",
        "channels.a.password (line 5)",
        "channels.a.stripes (line 6)",
    ]
    assert "takes the environment variable NONE" in found[1]


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples."""
    return tmp_path_factory.mktemp("secret") / "x.yaml"


KEYS = [
    *(key for key in ClientConfig.model_fields if key not in {"advertise", "join"}),
    *(f"channel.{key}" for key in ChannelConfig.model_fields),
]


@given(
    key=st.sampled_from(KEYS),
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=120),
)
def test_no_fault_shows_what_came_from_outside(one_file: Path, key: str, text: str) -> None:
    """In whatever key it is put by mistake. The mark is in none of our own words."""
    secret = f"{text[:60]}§§§§{text[60:]}"
    head, dot, name = key.partition(".")
    model: type[Settings] = ServerConfig if dot else ClientConfig
    lines = f"{name or head}: '<>${{SECRET}}'\n"
    if dot:
        source = "" if name == "source" else "    source: rtsp://h/\n"
        lines = f"channels:\n  cam:\n{source}    {lines}"
    one_file.write_text(lines)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SECRET", secret)
        shown: list[str] = []
        try:
            Draft(one_file).model(model)
        except ConfigError as error:
            shown = error.faults
    assert "§" not in "".join(shown)


class Bounded(Settings):
    word: Annotated[str, Field(max_length=3)] = ""
    number: int = 0


def test_a_value_from_outside_is_named_not_quoted(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "12345")
    assert faults_of(Bounded, file, "word: ${SECRET}\nnumber: ${SECRET}\n") == [
        "word (line 1): the value is too long: at most 3 characters",
        "number (line 2): the value is not a whole number: write digits without leading zeros and"
        " without quotes",
    ]


def test_a_list_does_not_show_what_one_of_its_values_was_filled_with(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "geheim.example")
    text = "advertise: ['${SECRET}', b, '${SECRET}']\n"
    assert faults_of(ClientConfig, file, text) == [
        "advertise (line 1): the value:0 comes twice: keep one of them"
    ]

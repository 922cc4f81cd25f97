"""Whatever a file says, it is taken or refused with sentences: never a traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientproxy.config import ClientConfig
from clientproxy.config import check as check_client
from common.errors import ConfigError
from serverproxy.config import ChannelConfig, ServerConfig
from serverproxy.config import check as check_server

TEXTS = [
    "no",
    "auto",
    "redirect",
    "rtsp://a:b@h/",
    "rtsps://h/",
    "testcard:",
    "host:80",
    ":80",
    "*",
    "[::1]:9854",
    "127.0.0.1:9854",
    "${NONE}",
    "${HOME}",
    "${",
    "$${",
    "zebra",
    "cam",
    "12:30",
]

WORDS = st.sampled_from(TEXTS)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=20)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples."""
    return tmp_path_factory.mktemp("any") / "x.yaml"


def mappings(keys: list[str], values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Return some of the keys, and now and then one that is none."""
    names = st.sampled_from(keys) | st.text(max_size=8)
    return st.dictionaries(names, values, max_size=6)


CHANNEL = mappings(list(ChannelConfig.model_fields), VALUES)
CHANNELS = st.dictionaries(st.sampled_from(["cam", "a b", "", "x"]), CHANNEL | VALUES, max_size=3)
SERVER = mappings(list(ServerConfig.model_fields), CHANNELS | VALUES)
CLIENT = mappings(list(ClientConfig.model_fields), VALUES)


@given(content=SERVER)
def test_any_file_of_a_server_proxy(file: Path, content: object) -> None:
    taken_or_refused(file, content, check_server)


@given(content=CLIENT)
def test_any_file_of_a_client_proxy(file: Path, content: object) -> None:
    taken_or_refused(file, content, check_client)


def taken_or_refused(
    file: Path,
    content: object,
    check: Callable[[Path], object],
) -> None:
    file.write_text(json.dumps(content))
    try:
        check(file)
    except ConfigError as error:
        refused = error.faults
    else:
        return
    assert refused
    assert all(fault.startswith(f"{file}: ") and "\n" not in fault for fault in refused)
    assert not any("a:b@" in fault for fault in refused)

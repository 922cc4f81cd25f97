import argparse
import os
import re
from pathlib import Path

import pytest

from clientproxy.config import ClientConfig, check, load
from common.errors import ConfigError
from common.ids import Address

SHIPPED = Path(__file__).parents[3] / "config" / "clientproxy.yaml"


def args(**given: object) -> argparse.Namespace:
    flags = (
        "config",
        "server",
        "listen",
        "rtsp",
        "http",
        "max_children",
        "join",
        "log_level",
        "log_format",
        "pcap",
    )
    return argparse.Namespace(**{flag: given.get(flag) for flag in flags})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yaml"


def read(file: Path, text: str) -> ClientConfig:
    file.write_text(text)
    return check(file)


def fault(file: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        read(file, text)
    (only,) = refused.value.faults
    return only.removeprefix(f"{file}: ")


def test_the_least_that_works_is_nothing() -> None:
    config = load(args())
    assert config.server is None
    assert (config.listen, config.rtsp, config.http) == (
        ("", 7855),
        ("127.0.0.1", 8554),
        ("127.0.0.1", 9855),
    )
    assert (config.max_children, config.join, config.advertise) == (None, (), ())
    assert (config.reorder_timeout, config.join_timeout, config.linger) == (2, 4, 10)
    assert (config.log_time, config.log_bytes) == (15, 33_554_432)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("host", ("host", 7854)),
        ("Host.Example:99", ("host.example", 99)),
        ("[::1]", ("::1", 7854)),
        ("2001:db8::1", ("2001:db8::1", 7854)),
    ],
)
def test_the_server_has_a_default_port(text: str, address: tuple[str, int]) -> None:
    assert load(args(server=text)).server == address


def test_flags_win_over_the_file(file: Path) -> None:
    read(file, "server: old\nmax_children: 1\njoin: [a]\nlinger: 3")
    config = load(args(config=file, server="new", max_children=4, join=["b", "c"]))
    assert config.server == ("new", 7854)
    assert (config.max_children, config.join, config.linger) == (4, ("b", "c"), 3)


def test_faults_of_flags_name_the_flag() -> None:
    with pytest.raises(ConfigError) as refused:
        load(args(server="host:x", max_children=-1, join=["a/b"], rtsp="8554"))
    assert refused.value.faults == [
        "SERVER: 'host:x' has no port between 0 and 65535: write HOST:PORT",
        "--rtsp: '8554' has no port: write HOST:PORT, or :PORT for all addresses",
        "--max-children: -1 is not a whole number from 0 to 256: write one without quotes, or auto",
        "--join: 'a/b' is not a name: write 1 to 64 of A-Z a-z 0-9 . _ -, no dot first",
    ]


@pytest.mark.parametrize(
    ("text", "count"), [("auto", None), ("null", None), ("0", 0), ("256", 256)]
)
def test_max_children_is_auto_or_a_number(file: Path, text: str, count: int | None) -> None:
    assert read(file, f"max_children: {text}").max_children == count


def test_any_other_word_for_max_children_is_refused(file: Path) -> None:
    assert fault(file, "max_children: many").startswith(
        "max_children (line 1): 'many' is not a whole number"
    )


def test_join_needs_a_server(file: Path) -> None:
    assert fault(file, "join: [cam]").startswith("join (line 1): needs a server: write")


@pytest.mark.parametrize(
    ("text", "server", "allowed"),
    [
        ("server: one", "one:7854", True),
        ("server: one", "ONE:7854", True),
        ("server: one", "two:7854", False),
        ("server: one", "one:7855", False),
        ("server: one\nallow_servers: [two, 'three:9']", "two:7854", True),
        ("server: one\nallow_servers: [two, 'three:9']", "one:7854", True),
        ("server: one\nallow_servers: [two, 'three:9']", "three:9", True),
        ("server: one\nallow_servers: [two, 'three:9']", "three:7854", False),
        ("server: one\nallow_servers: ['*']", "anything:1", True),
        ("allow_servers: [two]", "one:7854", False),
        ("", "anything:1", True),
    ],
)
def test_which_servers_a_player_may_name(
    file: Path, text: str, server: str, *, allowed: bool
) -> None:
    assert read(file, text).allows(Address.parse(server, 7854)) is allowed


def test_reload_reads_file_and_flags_again(file: Path) -> None:
    read(file, "linger: 1")
    config = load(args(config=file, server="host"))
    read(file, "linger: 2")
    assert (config.reload().linger, config.reload().server) == (2, ("host", 7854))
    file.write_text("linger: x")
    with pytest.raises(ConfigError, match=r"linger \(line 1\)"):
        config.reload()


def test_the_shipped_file_shows_every_key_with_a_comment_and_its_default() -> None:
    assert check(SHIPPED) == ClientConfig()
    keys: dict[str, str] = {}
    for paragraph in re.split(r"\n\s*\n", SHIPPED.read_text()):
        comment = " ".join(re.findall(r"^# (.*)$", paragraph, re.MULTILINE))
        keys.update(dict.fromkeys(re.findall(r"^([a-z_]+):", paragraph, re.MULTILINE), comment))
    assert set(keys) == set(ClientConfig.model_fields)
    assert [key for key, comment in keys.items() if "Default: " not in comment] == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rtsp: 127.0.0.1:9000\nhttp: ':9000'", "http (line 2): is the port of rtsp too: choose"),
        ("rtsp: 127.0.0.1:7855", "rtsp (line 1): is the port of listen too: choose another one"),
        (
            "reorder_timeout: 20",
            "reorder_timeout (line 1): 20 is above log_time, which is 15: what is waited for",
        ),
        ("log_time: 1", "reorder_timeout: 2 is above log_time, which is 1: what is waited for"),
        ("server: h\njoin: [a, b, a]", "join (line 2): a comes twice: keep one of them"),
        ("advertise: ['*']", "advertise.0 (line 1): '*' is not an address"),
        ("advertise: [':80']", "advertise.0 (line 1): ':80' names no host"),
        ("advertise: [0.0.0.0]", "advertise.0 (line 1): '0.0.0.0' is no address that others"),
        ("server: '*'", "server (line 1): '*' is not an address: write HOST"),
        ("rtsp: '*:80'", "rtsp (line 1): '*:80' is not an address: write HOST"),
        ("http: 12:30", "http (line 1): '12:30' is not an address: write HOST"),
        ("http: 12:30:45", "http (line 1): '12:30:45' has no port"),
        ("server: 300.1.1.1", "server (line 1): '300.1.1.1' is not an address"),
        ("server: 1.10", "server (line 1): 1.1 is not an address: write HOST:PORT"),
        ("server: no", ""),
        ("server: h\njoin: [no, '1']", ""),
        ("log_time: 1\nreorder_timeout: 1", ""),
    ],
)
def test_what_is_impossible_or_no_address_is_refused(file: Path, text: str, sentence: str) -> None:
    """A host may be called `no`: where text is asked for, what is written is meant."""
    if sentence:
        assert fault(file, text).startswith(sentence)
    else:
        read(file, text)


def test_players_are_asked_for_what_the_file_says(file: Path) -> None:
    assert load(args()).access is None
    config = read(file, 'rtsp_username: viewer\nrtsp_password: "s3cret"\n')
    assert config.access is not None
    assert (config.access.user, config.access.password) == ("viewer", "s3cret")
    assert "s3cret" not in repr(config) + str(config)


def test_the_password_may_come_from_the_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYER_PASSWORD", "from outside")
    config = read(file, 'rtsp_username: viewer\nrtsp_password: "${PLAYER_PASSWORD}"\n')
    assert config.access is not None
    assert config.access.password == "from outside"


@pytest.mark.parametrize("key", ["rtsp_username", "rtsp_password"])
def test_user_and_password_go_together(file: Path, key: str) -> None:
    said = fault(file, f"{key}: secretive\n")
    assert "go together" in said
    assert "secretive" not in said


@pytest.mark.parametrize("name", ["a:b", 'a"b', "a\\\\b", ""])
def test_a_user_name_is_one_that_basic_and_digest_can_carry(file: Path, name: str) -> None:
    assert "rtsp_username" in fault(file, f"rtsp_username: '{name}'\nrtsp_password: x\n")


@pytest.mark.parametrize(
    ("text", "address"),
    [("[::1]:8554", ("::1", 8554)), ("[::]:8554", ("::", 8554)), ("0.0.0.0:1", ("0.0.0.0", 1))],
)
def test_players_may_come_from_elsewhere_and_over_ipv6(text: str, address: tuple[str, int]) -> None:
    assert load(args(rtsp=text)).rtsp == address


@pytest.mark.parametrize("value", ["987654321", "0", "[987654321]", "true"])
def test_a_password_is_never_quoted(file: Path, value: str) -> None:
    said = fault(file, f"rtsp_username: viewer\nrtsp_password: {value}\n")
    assert said == "rtsp_password (line 2): the value is not text: write it in quotes"


def test_a_user_name_with_a_colon_is_refused_with_what_is_wrong(file: Path) -> None:
    said = fault(file, "rtsp_username: me:x\nrtsp_password: secret\n")
    assert said == (
        "rtsp_username (line 1): holds a colon, a quote or a backslash: write a name without them"
    )


def test_a_pipe_is_not_read_a_second_time(file: Path) -> None:
    """Nobody writes to it any more: the event loop would wait for ever."""
    file.write_text("linger: 3\n")
    config = load(args(config=file))
    assert config.reload() == config
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="cannot be read again: it is no regular file"):
        config.reload()
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        config.reload()


def test_a_capture_has_bounds(file: Path) -> None:
    name = str(file.with_name("cam.pcap"))
    file.write_text("pcap_bytes: 2000000\npcap_files: 1\n")
    assert load(args(config=file)).capture is None
    assert load(args(config=file, pcap=name)).capture == (name, 2_000_000, 1)
    with pytest.raises(
        ConfigError, match=r"--pcap: '/none/x' cannot be written: there is no folder"
    ):
        load(args(pcap="/none/x"))

import argparse
import os
import re
import ssl
from pathlib import Path

import pytest
from pydantic import BaseModel

from common.errors import ConfigError
from serverproxy.config import ChannelConfig, ServerConfig, check, load

SHIPPED = Path(__file__).parents[3] / "config" / "serverproxy.yaml"


def args(**given: object) -> argparse.Namespace:
    flags = ("config", "channel", "listen", "http", "log_level", "log_format", "pcap")
    return argparse.Namespace(**{flag: given.get(flag) for flag in flags})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.yaml"


def channel(file: Path, *lines: str) -> ChannelConfig:
    file.write_text("channels:\n  cam:\n" + "".join(f"    {line}\n" for line in lines))
    return check(file).channels["cam"]


def faults(file: Path, *lines: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        channel(file, *lines)
    return [fault.removeprefix(f"{file}: channels.cam") for fault in refused.value.faults]


def test_the_least_that_works(file: Path) -> None:
    cam = channel(file, 'source: "rtsp://camera/live"')
    config = check(file)
    assert cam.source == "rtsp://camera/live"
    assert (cam.transport, cam.stripes, cam.children_per_stripe, cam.repair_slots) == (
        "auto",
        2,
        1,
        1,
    )
    assert (cam.source_timeout, cam.log_time, cam.log_bytes, cam.repair_grace) == (
        5,
        15,
        33_554_432,
        10,
    )
    assert (cam.join, cam.add_policy, cam.delete_policy) == (
        "directory",
        "round_robin",
        "grandfather",
    )
    assert config.listen == ("", 7854)
    assert config.http == ("127.0.0.1", 9854)
    assert (config.log_level, config.log_format) == ("info", "text")


def test_the_way_in_and_its_policies(file: Path) -> None:
    lines = ["join: redirect", "add_policy: knock_down", "delete_policy: root_all"]
    cam = channel(file, "source: rtsp://camera/", *lines)
    assert (cam.join, cam.add_policy, cam.delete_policy) == ("redirect", "knock_down", "root_all")
    for line in ("join: spreadit", "add_policy: knock-down", "delete_policy: rt"):
        (fault,) = faults(file, "source: rtsp://camera/", line)
        assert fault.startswith("." + line.partition(":")[0])


def test_flags_alone_are_enough() -> None:
    config = load(args(channel=[("cam", "rtsp://camera/"), ("test", "testcard:")]))
    assert {name: one.source for name, one in config.channels.items()} == {
        "cam": "rtsp://camera/",
        "test": "testcard:",
    }


def test_flags_win_over_the_file(file: Path) -> None:
    channel(file, "source: rtsp://old/", "stripes: 1")
    config = load(
        args(config=file, channel=[("cam", "rtsp://new/")], listen="127.0.0.1:0", log_level="debug")
    )
    assert config.channels["cam"].source == "rtsp://new/"
    assert config.channels["cam"].stripes == 1
    assert config.listen == ("127.0.0.1", 0)
    assert config.log_level == "debug"


def test_a_channel_that_comes_in_two_flags_is_a_fault(file: Path) -> None:
    """As in a file; but a flag wins over the file."""
    file.write_text("channels: {cam: {source: 'rtsp://old/'}}\n")
    twice = [("cam", "testcard:"), ("door", "testcard:"), ("cam", "rtsp://new/")]
    with pytest.raises(ConfigError) as error:
        load(args(config=file, channel=twice, http="nowhere"))
    assert error.value.faults[0] == "--channel cam: comes twice: leave one away"
    assert error.value.faults[1].startswith("--http: ")
    assert load(args(config=file, channel=twice[:2])).channels["cam"].source == "testcard:"


def test_no_channel_is_a_fault() -> None:
    with pytest.raises(ConfigError, match="write --channel NAME=URL"):
        load(args())


@pytest.mark.parametrize("name", ["a b", "", "a/b", "ä", "x" * 65, "a\n", ".", "..", ".a"])
def test_a_channel_name_is_bounded(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--channel .*is not a name"):
        load(args(channel=[(name, "testcard:")]))


def test_credentials_leave_the_url(file: Path) -> None:
    cam = channel(file, "source: rtsp://us%40er:pa%2Fss@camera:8554/live?x=1@2")
    assert cam.source == "rtsp://camera:8554/live?x=1@2"
    assert cam.username == "us@er"
    assert cam.password is not None
    assert cam.password.get_secret_value() == "pa/ss"


def test_a_password_of_its_own_wins_over_the_url(file: Path) -> None:
    cam = channel(file, "source: rtsp://user:one@camera/", "password: two")
    assert cam.password is not None
    assert cam.password.get_secret_value() == "two"


def test_a_user_name_alone_has_no_password(file: Path) -> None:
    cam = channel(file, "source: rtsp://user@camera/")
    assert (cam.username, cam.password) == ("user", None)


def test_no_secret_is_ever_shown(file: Path) -> None:
    channel(file, "source: rtsp://user:geheim@camera/", "stripes: 2")
    assert "geheim" not in repr(check(file))
    shown = faults(file, "source: http://user:geheim@camera/", "password: 77141", "stripes: 3")
    assert len(shown) == 3
    assert not re.search("geheim|77141", "".join(shown))


@pytest.mark.parametrize(
    "source",
    [
        "camera",
        "http://camera/",
        "rtsp://",
        "rtsp:///live",
        "rtsp://h:x/",
        "rtsp://[::1/",
        "testcard",
    ],
)
def test_a_source_is_an_rtsp_url_or_the_test_card(file: Path, source: str) -> None:
    (fault,) = faults(file, f'source: "{source}"')
    assert "write rtsp://HOST/PATH, rtsps://HOST/PATH or testcard:" in fault


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("rtsp://h:99999/", "is not a source (a port is a number up to 65535): write"),
        ("rtsp://u:se/cret@h/", "up to 65535; a / in the password is written %2F): write"),
        ("rtsp://u:1234/cret@h/live", "has an @ in its path: a / in the password is written %2F"),
        ("rtsp://us/er:cret@h/live", "has an @ in its path"),
        ("rtsp://[::1/", "is not a source (an IPv6 address stands in brackets): write"),
        ("rtsp://h/a b", "is not a source (a blank is written %20): write"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_it(
    file: Path, source: str, sentence: str
) -> None:
    """Digits before a slash looked like a port: user and password were logged as a host."""
    (fault,) = faults(file, f'source: "{source}"')
    assert sentence in fault
    assert "cret" not in fault


@pytest.mark.parametrize(
    "source", ["rtsp://[::1]/a@b", "rtsp://u:p@h:554/a@b", "rtsp://h/a@b", "rtsp://h:554/?u=a@b"]
)
def test_an_at_sign_in_a_path_is_no_fault_by_itself(file: Path, source: str) -> None:
    assert "@b" in channel(file, f'source: "{source}"').source


@pytest.mark.parametrize("line", ["cam: rtsp://h/live", '"a b": {source: "rtsp://h/live"}'])
def test_a_channel_that_is_wrong_is_not_missing_too(file: Path, line: str) -> None:
    file.write_text(f"channels:\n  {line}\n")
    with pytest.raises(ConfigError) as refused:
        check(file)
    (fault,) = refused.value.faults
    assert "there is no channel" not in fault
    if "cam" in line:
        assert fault.endswith('cam (line 2): is not a mapping: write `source: "rtsp://…"` below it')


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("stripes: 3", ".stripes (line 4): 3 stripes are not served yet: write 1 or 2"),
        ("stripes: 0", ".stripes (line 4): 0 stripes are not served yet: write 1 or 2"),
        (
            "transport: quic",
            ".transport (line 4): 'quic' is not known: write 'auto', 'tcp' or 'udp'",
        ),
        (
            "source_timeout: 0",
            ".source_timeout (line 4): 0 is out of bounds: write a number of at least 0.5",
        ),
        (
            "log_bytes: 1",
            ".log_bytes (line 4): 1 is out of bounds: write a number of at least 65536",
        ),
        ("password: x", ".password (line 4): stands without a username: write both"),
        (
            "ca: /none",
            ".ca (line 4): '/none' cannot be read: No such file or directory; write the path of a"
            " PEM file",
        ),
        (
            "fingerprint: abc",
            ".fingerprint (line 4): 'abc' is not a SHA-256 fingerprint: write 64 hex digits,"
            " with or without colons",
        ),
    ],
)
def test_faults_of_a_channel(file: Path, line: str, fault: str) -> None:
    assert faults(file, "source: rtsps://camera/", line) == [fault]


@pytest.mark.parametrize("between", ["", ":", " "])
def test_a_fingerprint_may_have_colons_or_spaces(file: Path, between: str) -> None:
    text = between.join(["AB"] * 32)
    cam = channel(file, "source: rtsps://camera/", f'fingerprint: "{text}"')
    assert cam.fingerprint == "ab" * 32


def test_a_certificate_is_for_tls_only(file: Path) -> None:
    (fault,) = faults(file, "source: rtsp://camera/", f"fingerprint: {'ab' * 32}")
    assert fault == ".fingerprint (line 4): is for rtsps:// sources only: leave it away"


@pytest.mark.parametrize(
    ("line", "begin"),
    [("ca: /no/such.pem", ".ca (line 4): '/no/such.pem' cannot"), ("fingerprint: ab", ".fing")],
)
def test_what_is_out_of_place_is_said_to_be_even_if_it_is_wrong_too(
    file: Path, line: str, begin: str
) -> None:
    end = "; besides, it is for rtsps:// sources only: leave it away"
    (fault,) = faults(file, "source: rtsp://camera/", line)
    assert (fault.startswith(begin), fault.endswith(end)) == (True, True)
    for source in ("source: rtsps://camera/", "source: nonsense"):
        assert not any(end in fault for fault in faults(file, source, line))


def test_a_file_without_certificates_is_refused(file: Path, tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_text("no certificate")
    (fault,) = faults(file, "source: rtsps://camera/", f"ca: {pem}")
    assert fault.endswith("holds no certificate: write the path of a PEM file")


def test_a_file_with_certificates_is_taken(file: Path) -> None:
    bundle = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    if not Path(bundle).exists():
        pytest.skip("no certificates on this machine")
    assert channel(file, "source: rtsps://camera/", f"ca: {bundle}").ca == bundle


def test_reload_reads_file_and_flags_again(file: Path) -> None:
    channel(file, "source: rtsp://old/")
    config = load(args(config=file, http="127.0.0.1:0"))
    channel(file, "source: rtsp://new/")
    again = config.reload()
    assert again.channels["cam"].source == "rtsp://new/"
    assert again.http == ("127.0.0.1", 0)
    file.write_text("channels: none")
    with pytest.raises(ConfigError, match=r"channels \(line 1\): 'none' is not a mapping"):
        again.reload()


def model_keys(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields)


def test_the_shipped_file_shows_every_key_with_a_comment_and_its_default() -> None:
    """Each key, or the group of keys that it ends, stands below a comment that says its default."""
    config = check(SHIPPED)
    assert config == ServerConfig(channels={"cam": ChannelConfig(source="testcard:")})
    shown = commented_keys(SHIPPED.read_text())
    assert set(shown) == model_keys(ServerConfig) | model_keys(ChannelConfig) | {"cam"}
    for key, comment in shown.items():
        assert re.search(r"Default: |Required\.|channels by name", comment) or key == "cam", key


def commented_keys(text: str) -> dict[str, str]:
    """Return the keys of a file in YAML, each with the comment above its paragraph."""
    found: dict[str, str] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        comment = " ".join(re.findall(r"^ *# (.*)$", paragraph, re.MULTILINE))
        for key in re.findall(r"^ *([a-z_]+):", paragraph, re.MULTILINE):
            found[key] = comment
    return found


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("testcard:?size=640x360&audio=0", ""),
        ("testcard:?colour=red", "colour"),
        ("testcard:x", "testcard"),
    ],
)
def test_the_options_of_a_test_card_are_checked(source: str, fault: str) -> None:
    """A wrong option is a fault of the configuration, not one of a running source."""
    if not fault:
        assert ChannelConfig(source=source).source == source
        return
    with pytest.raises(ValueError, match=fault):
        ChannelConfig(source=source)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (
            ["source: rtsps://camera/", "transport: udp"],
            ".transport (line 4): udp would carry a stream from rtsps:// in clear: write tcp or"
            " auto",
        ),
        (
            ["source: 'testcard:'", "transport: udp"],
            ".transport (line 4): means nothing with a test card: leave it away",
        ),
        (
            ["source: 'testcard:'", "username: me"],
            ".username (line 4): means nothing with a test card: leave it away",
        ),
        (
            ["source: rtsp://camera/", "add_policy: knock_down"],
            ".add_policy (line 4): counts with join: redirect only: write that too",
        ),
        (
            ["source: rtsp://camera/", "delete_policy: root", "join: directory"],
            ".delete_policy (line 4): counts with join: redirect only: write that too",
        ),
    ],
)
def test_pairs_that_are_impossible_are_refused(file: Path, lines: list[str], fault: str) -> None:
    assert faults(file, *lines) == [fault]


def test_pairs_are_refused_together_with_all_other_faults(file: Path) -> None:
    """Of a whole file, in the order of its lines: nobody has to check it twice."""
    file.write_text(
        "listen: 127.0.0.1:9854\n"
        "http: ':9854'\n"
        "log_level: loud\n"
        "log_level: info\n"
        "channels:\n"
        "  one:\n"
        "    source: camera\n"
        "    password: x\n"
        "    ca: /none\n"
        "    log_time: 12:30:45\n"
        f"    fingerprint: {'ab' * 32}\n"  # whether it fits depends on the source
        "  two: {transport: udp, stripes: 010}\n"
        "  t/o: {source: 'testcard:'}\n"
        "  three: {source: 'testcard:', transport: tcp, repair_slots: no}\n"
        "kanals: &x {}\n"
    )
    with pytest.raises(ConfigError) as refused:
        check(file)
    shown = [fault.removeprefix(f"{file}: ").split(": ")[0] for fault in refused.value.faults]
    assert shown == [
        "http (line 2)",
        "log_level (line 3)",
        "log_level (line 4)",
        "channels.one.source (line 7)",
        "channels.one.password (line 8)",
        "channels.one.ca (line 9)",
        "channels.one.log_time (line 10)",
        "channels.two.source (line 12)",
        "channels.two.stripes (line 12)",
        "channels.t/o (line 13)",
        "channels.three.repair_slots (line 14)",
        "channels.three.transport (line 14)",
        "line 15",
        "kanals (line 15)",
    ]


def test_two_ports_that_are_the_same_are_refused(file: Path) -> None:
    channels = "channels: {cam: {source: 'testcard:'}}\n"
    for listen, http, fits in [
        (":80", "127.0.0.1:80", False),
        ("0.0.0.0:80", "'[::1]:80'", False),
        ("127.0.0.1:80", "127.0.0.1:80", False),
        ("127.0.0.1:80", "127.0.0.2:80", True),
        ("127.0.0.1:80", "127.0.0.1:81", True),
        (":0", ":0", True),
    ]:
        file.write_text(f"listen: '{listen}'\nhttp: {http}\n{channels}".replace("''", "'"))
        if fits:
            check(file)
            continue
        with pytest.raises(ConfigError, match="is the port of listen too: choose another one"):
            check(file)


def test_credentials_of_a_url_with_faults_are_not_shown(file: Path) -> None:
    (fault,) = faults(file, f'source: "rtsp://{"g" * 300}:geheim@camera/"')
    assert fault == ".username (line 2): the value is too long: at most 256 characters"


def test_a_pipe_is_not_read_a_second_time(file: Path) -> None:
    """Nobody writes to it any more: the event loop would wait for ever."""
    file.write_text('channels: {a: {source: "testcard:"}}\n')
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
    channel(file, "source: 'testcard:'")
    assert load(args(config=file)).capture is None
    name = str(file.with_name("cam.pcap"))
    wanted = load(args(config=file, pcap=name)).capture
    assert wanted == (name, 64 << 20, 4)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("pcap: /none/cam.pcap", "pcap (line 1): '/none/cam.pcap' cannot be written: there is no "),
        ("pcap: /", "pcap (line 1): '/' cannot be written: it is there and no regular file; "),
        ("pcap_bytes: 1000", "pcap_bytes (line 1): 1000 is "),
        ("pcap_files: 0", "pcap_files (line 1): 0 is "),
    ],
)
def test_a_capture_that_could_not_be_written_is_refused(file: Path, line: str, fault: str) -> None:
    file.write_text(f"{line}\nchannels: {{cam: {{source: 'testcard:'}}}}\n")
    with pytest.raises(ConfigError) as refused:
        check(file)
    (found,) = refused.value.faults
    assert found.startswith(f"{file}: {fault}")

"""What documents tell a reader to type, and configuration that they show, for tests that run it."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "docs" / "results" / "README.md",
    *sorted(ROOT.glob("config/**/*.y*ml")),
)
"""README, the pages of docs/, and the comments of what is shipped in config/."""

PLAYERS = frozenset({"ffplay", "ffmpeg", "mpv", "vlc", "gst-launch-1.0"})
_PROGRAM = re.compile(
    "serverproxy|clientproxy|make|sudo|systemctl|journalctl|systemd-analyze|timedatectl|chronyc"
    "|apt|apt-get|pip|python3?|git|curl|ff(?:probe|play|mpeg)|c?vlc|mpv|gst-[a-z-]+-1.0|promtool"
    "|ss|ls|ps|ip|nft|ufw|firewall-cmd|ping|nc|dig|getent|traceroute|openssl|tcpdump|t?shark"
    "|wireshark|kill|pkill|nproc|free|df|top"
)
"""What makes words in backquotes a command. In a block of sh every line is one."""

_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """One command, as it is written."""

    file: str
    """From the root of the repository."""
    text: str
    inline: bool
    """It stands in backquotes in a sentence."""

    @property
    def program(self) -> str:
        """The name of the program, without its folder and without variables before it."""
        return _program(self.text)


def blocks(file: Path, language: str) -> list[str]:
    """Return the fenced blocks of a document that are in this language."""
    return [text for found, text in _FENCE.findall(file.read_text()) if found == language]


def commands(file: Path) -> list[Command]:
    """Return what a document tells its reader to type, in order and each once."""
    name, text = str(file.relative_to(ROOT)), file.read_text()
    if file.suffix != ".md":
        return [Command(name, one, inline=False) for one in dict.fromkeys(_in_comments(text))]
    lines = dict.fromkeys(_in_blocks(text))
    words = dict.fromkeys(one for one in _in_sentences(text) if one not in lines)
    return [
        *(Command(name, one, inline=False) for one in lines),
        *(Command(name, one, inline=True) for one in words),
    ]


def all_commands() -> list[Command]:
    """Return the commands of all documents.

    Words in a sentence that are only the beginning of a command of some document name it.
    """
    found = [command for file in DOCUMENTS for command in commands(file)]
    whole = [_bare(one.text) for one in found]
    return [
        one for one in found
        if not (one.inline and any(other.startswith(f"{_bare(one.text)} ") for other in whole))
    ]  # fmt: skip


def _bare(text: str) -> str:
    return text.removeprefix("sudo ").removeprefix(".venv/bin/")


def _in_blocks(text: str) -> Iterator[str]:
    for language, block in _FENCE.findall(text):
        if language in {"sh", "console"}:
            yield from lines(block)
    indented = re.findall(r"^ {4}(\S.*?)(?: {3}.*)?$", _FENCE.sub("", text), re.MULTILINE)
    yield from filter(_is_command, indented)


def _in_sentences(text: str) -> Iterator[str]:
    quoted = re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    return (one for one in quoted if " " in one and _is_command(one))


def _in_comments(text: str) -> Iterator[str]:
    for words in re.findall(r"^# +(?:\w+ it: +)?(\S.*)$", text, re.MULTILINE):
        command = re.split(r" {3}", words)[0]
        if _is_command(command) and "/" in command:
            yield command


def lines(block: str) -> list[str]:
    """Return the commands of a block of sh, without comments."""
    return list(filter(None, map(_uncommented, block.replace("\\\n", " ").splitlines())))


def _uncommented(line: str) -> str:
    return re.split(r"\s+#\s", f" {line}")[0].strip().removeprefix("$ ")


def _is_command(words: str) -> bool:
    return _PROGRAM.fullmatch(_program(words)) is not None


def _program(words: str) -> str:
    try:
        split = shlex.split(words)
    except ValueError:  # an apostrophe in prose
        return ""
    first = next((one for one in split if not re.match(r"[A-Za-z_]\w*=", one)), "")
    return first.rpartition("/")[2]


# --- where each is run

LIVE = frozenset({"serverproxy", "clientproxy", "curl", "ffprobe", "ss", "ls"})
"""Programs whose commands tests/e2e/test_documents.py runs, in all documents."""

INSTALLED = "tests/e2e/test_installed.py"
BOOTED = "tests/e2e/data/in_systemd.sh"
PLAYED = "tests/integration/players/test_documented_commands.py"
PROMETHEUS = "tests/e2e/test_prometheus.py"

ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "make": ("tests/unit/test_house.py", '["make"]'),
    "make demo": ("tests/e2e/test_demo.py", "make --directory '{ROOT}' demo"),
    "make demo SOURCE=rtsp://camera/live": ("tests/e2e/test_demo.py", "DEMO_SOURCE"),
    "clientproxy doctor SERVER CHANNEL": ("tests/e2e/test_doctor.py", '"clientproxy", "doctor"'),
    **dict.fromkeys(
        (
            f"clientproxy watch rtsp://server.example{one}"
            for one in (
                ":7854/cam --player 'mpv --profile=low-latency'",
                "/cam --player 'gst-launch-1.0 playbin uri={url}'",
                "/cam --player none",
            )
        ),
        ("tests/e2e/test_command_line.py", '"clientproxy", "watch", url, *arguments'),
    ),
    "make docs": ("tests/unit/scripts/test_configuration.py", "files()[path]"),
    "make install": (INSTALLED, 'make("install", *into'),
    "sudo make install": (INSTALLED, '"make", "-C", str(ROOT), "install"'),
    "sudo make uninstall": (INSTALLED, '"make", "-C", str(ROOT), "uninstall"'),
    "make deb": (INSTALLED, 'make("deb"'),
    "sudo apt install ./dist/stripecast_*.deb": (INSTALLED, '*dpkg, "--install"'),
    "apt remove stripecast": (INSTALLED, '*dpkg, "--remove", "stripecast"'),
    "stripecast/bin/pip install --require-hashes -r requirements.lock": (
        "scripts/build-app",
        "--require-hashes --only-binary :all: --requirement requirements.lock",
    ),
    "python3 -m venv stripecast": ("scripts/build-app", '"$python" -m venv'),
    "stripecast/bin/pip install --no-deps .": ("scripts/build-app", "install --no-compile"),
    "promtool check rules": (PROMETHEUS, 'promtool("check", "rules", str(RULES))'),
    "promtool check config config/prometheus/prometheus.yml": (
        PROMETHEUS,
        'promtool("check", "config", str(CONFIG))',
    ),
    "promtool test rules config/prometheus/stripecast.rules.test.yml": (
        PROMETHEUS,
        'promtool("test", "rules", str(RULE_TESTS))',
    ),
    "wireshark node.pcap": (
        "tests/integration/overlay/test_capture.py",
        "test_wireshark_decodes_it",
    ),
    **dict.fromkeys(
        (
            f"journalctl -u serverproxy -o cat {one}"
            for one in (
                """| jq -c 'select(.node == "n3-j0ua") | [.time, .stripe, .message]'""",
                "--since today | jq -c 'select(.message"
                """ | test("in place of|lost its parent"))"""
                " | [.time, .channel, .stripe, .node, .message]'",
                """| jq -R -c 'fromjson? | select(.channel == "cam") | [.time, .message]'""",
            )
        ),
        ("tests/integration/cli/test_log_commands.py", '"| jq "'),
    ),
    "systemctl reload serverproxy": (BOOTED, "systemctl reload serverproxy"),
    "systemctl start": (BOOTED, "systemctl start serverproxy"),
    "systemctl restart": (BOOTED, "systemctl restart clientproxy@one"),
    "systemd-analyze security serverproxy": ("tests/unit/test_units.py", '"security"'),
    ".venv/bin/python -m bench.overlay --help": ("tests/unit/test_bench.py", '"--help"'),
}
"""Commands that another test runs, in a form that suits it: that file, and words in it."""

NOT_RUN: Mapping[str, str] = {
    **dict.fromkeys(
        ["make setup", "make check", "make test", "make test-full"],
        "what CI calls: this test is a part of it",
    ),
    **dict.fromkeys(
        [f".venv/bin/python -m bench.{one}" for one in
         ("egress", "control", "hops", "relay", "join", "memory", "place")]
        + [f".venv/bin/python -m bench.overlay {one}" for one in
           ("matrix", "sweep", "run --nodes 100 --minutes 10",
            "run --nodes 100 --minutes 10 --seed 7",
            "run --nodes 1000 --minutes 10 --seed 1", "crowd", "joins",
            "run --nodes 100 --minutes 1 --churn 0 --correlated 0.3")]
        + ["make bench"],
        "measures for minutes, on a machine that does nothing else",
    ),
    **dict.fromkeys(
        [f"STRIPECAST_FULL=1 .venv/bin/python -m pytest tests/e2e/test_{one}.py -rP" for one in
         ("faults", "lossy_network", "flash_crowd", "churn")],
        "the full length of a test that `make test` runs short",
    ),
    **dict.fromkeys(
        ["make mutations", "python -m tests.mutations"],
        "takes half an hour; tests/unit/test_mutations.py holds its list against the code",
    ),
    "apt-get install git make python3-venv": "installs into this machine",
    **dict.fromkeys(
        ["systemctl status serverproxy", "systemctl edit serverproxy",
         "journalctl -u serverproxy -n 50", "journalctl -u serverproxy -p err",
         "journalctl -u serverproxy -p warning", "journalctl -u serverproxy -f -o cat",
         "journalctl -u serverproxy -o cat --grep channel=cam"],
        "systemd's own, on a terminal or a journal: nothing of ours is called",
    ),
}  # fmt: skip
"""Commands that no test runs, each with the reason."""


def walked() -> list[str]:
    """Return the blocks of docs/operations.md that a booted systemd runs as they are."""
    text = (ROOT / "docs" / "operations.md").read_text()
    (section,) = re.findall(r"^## systemd\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    return [block for language, block in _FENCE.findall(section) if language == "sh"]


def played() -> set[str]:
    """Return the commands of docs/players.md, which are run where their player is installed."""
    return {one.text for one in commands(ROOT / "docs" / "players.md")}


def place(command: Command) -> str:
    """Return where a command is run: a file, or why it is not. Raises LookupError."""
    if command.text in NOT_RUN:
        return NOT_RUN[command.text]
    if command.text in ELSEWHERE:
        return ELSEWHERE[command.text][0]
    if any(command.text in lines(block) for block in walked()):
        return BOOTED
    if command.program in PLAYERS and command.text in played():
        return PLAYED
    if command.program in LIVE | {""}:
        return "tests/e2e/test_documents.py"
    raise LookupError(
        f"{command.file} shows `{command.text}`, and no test runs it: have one do so, or write "
        "into tests/support/documents.py where it is run, or why not"
    )

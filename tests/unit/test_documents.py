"""Nothing that a document tells its reader to type goes untried."""

import re
from pathlib import Path

import pytest

from clientproxy.config import check as check_client
from serverproxy.config import check as check_server
from tests.support.documents import (
    DOCUMENTS,
    ELSEWHERE,
    NOT_RUN,
    ROOT,
    Command,
    all_commands,
    blocks,
    place,
    walked,
)

COMMANDS = all_commands()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: f"{one.file}: {one.text}")
def test_a_command_is_run_somewhere_or_it_is_said_why_not(command: Command) -> None:
    found = place(command)
    assert command.text in NOT_RUN or (ROOT / found).exists()


def test_what_no_test_knows_is_refused() -> None:
    unknown = Command("docs/new.md", "frobnicate --all", inline=False)
    with pytest.raises(LookupError, match=r"docs/new\.md shows `frobnicate --all`"):
        place(unknown)


@pytest.mark.parametrize("text", [*ELSEWHERE, *NOT_RUN])
def test_no_list_names_a_command_that_no_document_shows(text: str) -> None:
    assert text in {one.text for one in COMMANDS}


@pytest.mark.parametrize("text", ELSEWHERE)
def test_the_test_that_is_named_runs_it(text: str) -> None:
    file, words = ELSEWHERE[text]
    assert words in (ROOT / file).read_text()
    assert text not in NOT_RUN


def test_commands_are_found_in_blocks_in_sentences_and_in_comments() -> None:
    found = {(one.file, one.text) for one in COMMANDS}
    assert {
        ("README.md", ".venv/bin/serverproxy run --channel cam=testcard:"),
        ("docs/api.md", "curl $api/channels/cam"),
        ("docs/operations.md", "ss -tnp"),
        ("docs/performance.md", ".venv/bin/python -m bench.egress"),
        ("config/serverproxy.yaml", "serverproxy check config/serverproxy.yaml"),
    } <= found


def test_who_has_but_set_it_up_can_type_what_a_document_shows() -> None:
    """`make setup` puts nothing on the path: README.md says where, the next two pages too."""
    begin, install, _ = (ROOT / "README.md").read_text().partition("\n## Install\n")
    assert install
    assert re.findall(r"(?:^|`)(?:server|client)proxy .*", begin, re.MULTILINE) == []
    for page in ("players.md", "troubleshooting.md"):
        top = (ROOT / "docs" / page).read_text().partition("\n## ")[0]
        assert "`.venv/bin/clientproxy` and `.venv/bin/serverproxy`" in top


def test_the_walk_with_systemd_has_two_parts() -> None:
    assert len(walked()) == 2


PAGES = [file for file in DOCUMENTS if file.suffix == ".md"]
SHOWN = [text for page in PAGES for text in blocks(page, "yaml")]


@pytest.mark.parametrize("text", SHOWN)
def test_a_configuration_that_is_shown_has_no_fault(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cam-password").write_text("secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("PLAYER_PASSWORD", "secret")
    file = tmp_path / "shown.yaml"
    file.write_text(text)
    if re.search("^channels:", text, re.MULTILINE):
        check_server(file)
    else:
        check_client(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_in_a_language_that_some_test_reads(page: Path) -> None:
    """`sh`, `console`, `yaml` here, `ini` with systemd, `json`, `hex` on the wire; `text`: none."""
    opened = re.findall(r"^```(\S*).*\n", page.read_text(), re.MULTILINE)[::2]
    assert set(opened) <= {"", "text", "sh", "console", "yaml", "ini", "json", "hex"}

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import PeerError
from common.runtime import log


@pytest.fixture(autouse=True)
def _own_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    with io.StringIO() as stream:
        yield stream


def test_a_record_is_one_line_with_time_level_and_fields(lines: io.StringIO) -> None:
    log.configure("info", "text", lines)
    logging.getLogger("area").info("joined in %d ms", 7, extra={"stripe": 1, "channel": "cam"})
    at, rest = lines.getvalue().split(" ", 1)
    assert at.endswith("Z")
    assert "T" in at
    assert rest == "INFO    area channel=cam stripe=1: joined in 7 ms\n"


def test_any_field_is_written_the_known_ones_first(lines: io.StringIO) -> None:
    log.configure("info", "text", lines)
    logging.getLogger("area").info("listening", extra={"overlay": ":7854", "channel": "cam"})
    assert lines.getvalue().endswith("INFO    area channel=cam overlay=:7854: listening\n")


def test_json_has_the_same_in_fields(lines: io.StringIO) -> None:
    log.configure("info", "json", lines)
    fields = {"channel": "cam", "stripe": 0, "node": "n1"}
    logging.getLogger("area").error('said "x"', extra=fields)
    event = json.loads(lines.getvalue())
    del event["time"]
    assert event == {
        "level": "error",
        "logger": "area",
        "message": 'said "x"',
        "channel": "cam",
        "stripe": 0,
        "node": "n1",
    }


def test_the_level_holds(lines: io.StringIO) -> None:
    log.configure("warning", "text", lines)
    logging.getLogger("area").info("not this")
    assert lines.getvalue() == ""


def test_configuring_again_replaces(lines: io.StringIO) -> None:
    log.configure("info", "text", lines)
    log.configure("info", "text", lines)
    logging.getLogger("area").info("once")
    assert lines.getvalue().count("once") == 1


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(
    "url",
    [
        "rtsp://user:secret@camera/live",
        "RTSPS://user:secret@camera",
        "rtsp://u:s%40ecret@camera",
        "rtsp://user:se@secret@camera/",
        "rtsp://secret@camera/",
    ],
)
def test_credentials_never_get_out(lines: io.StringIO, style: log.LogFormat, url: str) -> None:
    log.configure("info", style, lines)
    area = logging.getLogger("area")
    area.info("pulling %s", url)
    area.info("bound", extra={"channel": url})
    try:
        raise ValueError(url)  # noqa: TRY301 - the traceback quotes it
    except ValueError:
        area.exception("failed")
    assert "ecret@" not in lines.getvalue()
    assert "://***@camera" in lines.getvalue()


def test_what_a_peer_says_cannot_begin_a_line(lines: io.StringIO) -> None:
    log.configure("info", "text", lines)
    logging.getLogger("area").info("peer said %s", "x\n2026 ERROR forged\r\x1b[31m\u2028")
    assert (
        lines.getvalue().splitlines()[0].endswith(r"peer said x\n2026 ERROR forged\r\x1b[31m\u2028")
    )
    assert lines.getvalue().count("\n") == 1


@pytest.mark.parametrize("error", [PeerError("bad frame"), ConnectionResetError("bad frame")])
def test_an_error_of_a_known_type_is_a_part_of_the_line(
    lines: io.StringIO, error: Exception
) -> None:
    log.configure("info", "text", lines)
    logging.getLogger("area").error("link closed", exc_info=error)
    assert lines.getvalue().endswith("area: link closed: bad frame\n")


def test_an_error_without_words_shows_its_type(lines: io.StringIO) -> None:
    log.configure("info", "text", lines)
    logging.getLogger("area").error("no answer", exc_info=TimeoutError())
    assert lines.getvalue().endswith("area: no answer: TimeoutError\n")


def test_a_bug_shows_its_traceback(lines: io.StringIO) -> None:
    log.configure("info", "text", lines)
    try:
        raise KeyError("x")  # noqa: TRY301
    except KeyError:
        logging.getLogger("area").exception("failed")
    assert "Traceback" in lines.getvalue()


def test_a_bug_is_one_line_in_json(lines: io.StringIO) -> None:
    log.configure("info", "json", lines)
    try:
        raise KeyError("x")  # noqa: TRY301
    except KeyError:
        logging.getLogger("area").exception("failed")
    assert lines.getvalue().count("\n") == 1
    assert "Traceback" in json.loads(lines.getvalue())["traceback"]


def test_the_journal_is_told_the_priority_of_each_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd.exec(5) has it: $JOURNAL_STREAM names the stream that the journal reads."""
    with (tmp_path / "journal").open("w+") as journal, (tmp_path / "file").open("w+") as file:
        stat = (tmp_path / "journal").stat()
        monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
        for stream in (journal, file):
            log.configure("info", "text", stream)
            logging.getLogger("area").info("fine")
            logging.getLogger("area").error("not fine", exc_info=ValueError("bug\nof two lines"))
    fine, *bad = (tmp_path / "journal").read_text().splitlines()
    assert fine.startswith("<6>2")
    assert len(bad) > 1
    assert all(line.startswith("<3>") for line in bad)
    assert "<" not in (tmp_path / "file").read_text()[:1]


def test_what_a_peer_says_forges_no_event_in_a_traceback(lines: io.StringIO) -> None:
    log.configure("info", "text", lines)
    try:
        raise ValueError("\x1b[2J\n2026 ERROR forged")  # noqa: TRY301
    except ValueError:
        logging.getLogger("area").exception("failed")
    _, *trace = lines.getvalue().splitlines()
    assert trace[0] == "  Traceback (most recent call last):"
    assert trace[-2:] == [r"  ValueError: \x1b[2J", "  2026 ERROR forged"]

import errno
import fcntl
import os
from pathlib import Path

import pytest

from common.runtime.pcap import FILE_HEADER_BYTES, Chunk
from common.runtime.pcapfiles import PcapFiles, writable

HEADER = bytes(FILE_HEADER_BYTES)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cam.pcap"


def held(file: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in file.parent.iterdir()}


def test_what_is_written_can_be_read_while_the_file_is_open(file: Path) -> None:
    files = PcapFiles(str(file), 2)
    files.write([Chunk(b"head", begins=True), Chunk(b" one", begins=False)])
    assert file.read_bytes() == b"head one"
    files.write([Chunk(b" two", begins=False)])
    assert file.read_bytes() == b"head one two"
    files.close()


@pytest.mark.parametrize("before", [None, b"", HEADER, HEADER + b"packets"])
def test_a_capture_is_for_its_owner_only(file: Path, before: bytes | None) -> None:
    """Whatever was there, with whatever mode."""
    if before is not None:
        file.write_bytes(before)
        file.chmod(0o644)
    files = PcapFiles(str(file), 2)
    files.write([Chunk(b"head", begins=True)])
    files.close()
    assert file.stat().st_mode & 0o777 == 0o600


def test_who_has_an_empty_file_open_reads_nothing_of_the_capture(file: Path) -> None:
    file.touch()
    files = PcapFiles(str(file), 2)
    with file.open("rb") as early:
        files.write([Chunk(b"head", begins=True)])
        files.close()
        assert early.read() == b""
    assert held(file) == {"cam.pcap": b"head"}


def test_files_get_the_next_number_up_to_the_bound(file: Path) -> None:
    files = PcapFiles(str(file), 3)
    files.write([Chunk(HEADER + bytes([number]), begins=True) for number in range(5)])
    files.close()
    assert held(file) == {
        "cam.pcap": HEADER + b"\4",
        "cam.pcap.1": HEADER + b"\3",
        "cam.pcap.2": HEADER + b"\2",
    }


def test_with_one_file_it_is_begun_anew(file: Path) -> None:
    files = PcapFiles(str(file), 1)
    files.write([Chunk(HEADER + b"long one", begins=True), Chunk(b"two", begins=True)])
    files.close()
    assert held(file) == {"cam.pcap": b"two"}


def test_what_an_earlier_process_recorded_is_kept(file: Path) -> None:
    file.write_bytes(HEADER + b"before")
    files = PcapFiles(str(file), 3)
    files.write([Chunk(b"now", begins=True)])
    files.close()
    assert held(file) == {"cam.pcap": b"now", "cam.pcap.1": HEADER + b"before"}


def test_files_without_packets_push_nothing_out(file: Path) -> None:
    """A daemon that is started and reloaded again and again while its source is down."""
    file.write_bytes(HEADER + b"recorded")
    for _ in range(3):
        files = PcapFiles(str(file), 2)
        files.write([Chunk(HEADER, begins=True)] * 3)
        files.close()
    assert held(file) == {"cam.pcap": HEADER, "cam.pcap.1": HEADER + b"recorded"}


def test_a_file_that_another_process_writes_is_left_alone(file: Path) -> None:
    first, second = PcapFiles(str(file), 3), PcapFiles(str(file), 3)
    first.write([Chunk(HEADER + b"one", begins=True)])
    with pytest.raises(OSError, match="another process writes its capture there"):
        second.write([Chunk(HEADER, begins=True)])
    first.write([Chunk(b" more", begins=False)])
    assert held(file) == {"cam.pcap": HEADER + b"one more"}
    first.close()
    second.write([Chunk(HEADER + b"two", begins=True)])
    second.close()
    assert held(file) == {"cam.pcap": HEADER + b"two", "cam.pcap.1": HEADER + b"one more"}


def test_a_file_that_another_process_moves_at_that_moment_is_left_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_bytes(HEADER + b"one")
    lock = fcntl.flock

    def late(number: int, operation: int) -> None:
        file.rename(file.with_name("cam.pcap.1"))
        file.write_bytes(HEADER + b"theirs")
        lock(number, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    files = PcapFiles(str(file), 3)
    with pytest.raises(OSError, match="another process"):
        files.write([Chunk(HEADER, begins=True)])
    files.close()
    assert held(file) == {"cam.pcap": HEADER + b"theirs", "cam.pcap.1": HEADER + b"one"}


def test_a_file_that_was_moved_away_goes_on_there_until_the_next_begins(file: Path) -> None:
    """As logrotate does it."""
    files = PcapFiles(str(file), 3)
    files.write([Chunk(b"one", begins=True)])
    file.rename(file.with_name("moved"))
    files.write([Chunk(b" more", begins=False), Chunk(b"two", begins=True)])
    files.close()
    assert held(file) == {"moved": b"one more", "cam.pcap": b"two"}


def test_what_is_no_regular_file_is_left_alone(file: Path) -> None:
    """A FIFO of the test's own: a device of the machine would be gone if this ever failed."""
    os.mkfifo(file)
    reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    files = PcapFiles(str(file), 3)
    with pytest.raises(OSError, match="it is there and no regular file"):
        files.write([Chunk(b"head", begins=True)])
    files.close()
    os.close(reader)
    assert file.is_fifo()


def test_what_did_not_fit_whole_is_taken_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = PcapFiles(str(file), 3)
    files.write([Chunk(b"whole", begins=True)])
    write, room = os.write, 4

    def nearly_full(number: int, data: memoryview) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = write(number, data[:room])
        room -= done
        return done

    monkeypatch.setattr(os, "write", nearly_full)
    with pytest.raises(OSError, match="No space left"):
        files.write([Chunk(b" and half", begins=False)])
    files.close()
    assert file.read_bytes() == b"whole"


def test_a_link_is_not_followed(file: Path) -> None:
    other = file.with_name("other")
    file.symlink_to(other)
    other.touch()
    files = PcapFiles(str(file), 1)
    with pytest.raises(OSError, match="symbolic links"):
        files.write([Chunk(b"now", begins=True)])
    files.close()
    assert other.read_bytes() == b""


@pytest.mark.parametrize("name", ["new.pcap", "old.pcap"])
def test_a_file_in_a_folder_that_may_be_written_to_is_fine(tmp_path: Path, name: str) -> None:
    (tmp_path / "old.pcap").touch()
    assert writable(str(tmp_path / name)) == str(tmp_path / name)


def test_a_name_alone_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert writable("cam.pcap") == "cam.pcap"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("none/cam.pcap", "there is no folder '.*none'"),
        ("folder", "it is there and no regular file"),
        ("cam\0.pcap", "it is no path"),
        ("shut/cam.pcap", "the folder '.*shut' may not be written to"),
    ],
)
def test_what_could_not_be_written_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str
) -> None:
    for name in ("folder", "shut"):
        (tmp_path / name).mkdir()
    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda folder, _: not folder.endswith("shut"))
    with pytest.raises(ValueError, match=f"cannot be written: {why}; write the path of a file"):
        writable(f"{tmp_path}/{path}")

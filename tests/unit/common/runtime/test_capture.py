import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from common.frame import Packet, encode
from common.runtime import capture as module
from common.runtime.capture import Capture, CaptureError, Target
from common.runtime.faults import quoted
from common.runtime.pcap import Chunk, Flow
from common.runtime.pcapfiles import PcapFiles
from tests.support.overlay import until

FLOW = Flow("cam", 0, "root", "n1")
FILE_BYTES = 1 << 20


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.01)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(str(tmp_path / "cam.pcap"), FILE_BYTES, 3)


def packet(payload: bytes) -> Packet:
    return Packet(1, 0, 0, 0, payload)


async def soon(condition: Callable[[], bool]) -> None:
    await until(condition, 20, "the capture is as expected")


def size(file: str) -> int:
    return Path(file).stat().st_size


def holds(file: str, text: bytes) -> Callable[[], bool]:
    return lambda: Path(file).exists() and text in Path(file).read_bytes()


async def test_a_capture_without_a_target_does_nothing() -> None:
    capture = Capture()
    await capture.start(None)
    capture.follow(None)
    capture.take(FLOW, None, [packet(b"one")])
    assert not capture.on
    assert len(asyncio.all_tasks()) == 1
    await capture.close()


async def test_the_file_is_there_at_the_start_and_packets_soon(
    target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    capture = Capture()
    with caplog.at_level(logging.INFO):
        await capture.start(target)
    assert size(target.file) == 24
    assert f"captures to {target.file}: up to 3 files of {FILE_BYTES} bytes" in caplog.text
    capture.take(FLOW, None, [packet(b"one")])
    await soon(holds(target.file, b"one"))
    capture.take_frames(FLOW, None, encode(packet(b"two")) + encode(packet(b"three")))
    await soon(holds(target.file, b"three"))
    await capture.close()
    assert not capture.on


async def test_what_waits_is_written_at_the_end(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_EVERY", 60)
    capture = Capture()
    await capture.start(target)
    capture.take(FLOW, None, [packet(b"last words")])
    await capture.close()
    assert holds(target.file, b"last words")()
    assert len(asyncio.all_tasks()) == 1


async def test_a_reload_begins_a_new_file_and_keeps_the_one_before(target: Target) -> None:
    capture = Capture()
    await capture.start(target)
    capture.take(FLOW, None, [packet(b"one")])
    capture.follow(target)
    capture.take(FLOW, None, [packet(b"two")])
    await soon(holds(target.file, b"two"))
    assert holds(f"{target.file}.1", b"one")()
    assert not holds(target.file, b"one")()
    await capture.close()


async def test_a_reload_turns_it_on_moves_it_and_turns_it_off(target: Target) -> None:
    capture = Capture()
    await capture.start(None)
    capture.follow(target)
    capture.take(FLOW, None, [packet(b"one")])
    await soon(holds(target.file, b"one"))
    other = target._replace(file=f"{target.file}.other")
    capture.follow(other)
    capture.take(FLOW, None, [packet(b"two")])
    await soon(holds(other.file, b"two"))
    capture.follow(None)
    assert not capture.on
    capture.take(FLOW, None, [packet(b"three")])
    await soon(lambda: len(asyncio.all_tasks()) == 1)
    assert not holds(other.file, b"three")()
    assert not holds(f"{target.file}.1", b"")()
    await capture.close()


async def test_what_cannot_be_written_at_the_start_is_refused(tmp_path: Path) -> None:
    capture = Capture()
    with pytest.raises(CaptureError, match=r"pcap: '.*' cannot be written: Is a directory; change"):
        await capture.start(Target(str(tmp_path), FILE_BYTES, 3))
    assert not capture.on
    await capture.close()


async def test_two_daemons_with_one_file_are_told(target: Target) -> None:
    one, other = Capture(), Capture()
    await one.start(target)
    why = r"cannot be written: another process writes its capture there; change the key pcap$"
    with pytest.raises(CaptureError, match=why):
        await other.start(target)
    one.take(FLOW, None, [packet(b"one")])
    await soon(holds(target.file, b"one"))
    await one.close()
    await other.close()


async def test_a_disk_that_is_full_ends_the_capture_with_one_line(
    target: Target, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = Capture()
    await capture.start(target)
    full = True
    write = PcapFiles.write

    def nearly_full(self: PcapFiles, chunks: list[Chunk]) -> None:
        if full:
            raise OSError(28, "No space left on device")
        write(self, chunks)

    monkeypatch.setattr(PcapFiles, "write", nearly_full)
    capture.take(FLOW, None, [packet(b"one")])
    await soon(lambda: not capture.on)
    capture.take(FLOW, None, [packet(b"two")])
    await soon(lambda: len(asyncio.all_tasks()) == 1)
    (line,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert line.getMessage() == (
        f"pcap: {quoted(target.file)} cannot be written: No space left on device; the capture has"
        " ended, all else goes on; mend that and reload to begin anew"
    )
    assert line.exc_info is None
    full = False
    capture.follow(target)
    capture.take(FLOW, None, [packet(b"three")])
    await soon(holds(target.file, b"three"))
    await capture.close()


async def test_a_disk_that_is_slow_costs_packets_of_the_capture_and_no_memory(
    target: Target, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop goes on meanwhile; what is left out is counted in one line."""
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 10_000)
    go_on, writing, write = threading.Event(), threading.Event(), PcapFiles.write

    def slow(self: PcapFiles, chunks: list[Chunk]) -> None:
        writing.set()
        go_on.wait(20)
        write(self, chunks)

    capture = Capture()
    await capture.start(target)
    monkeypatch.setattr(PcapFiles, "write", slow)
    capture.take(FLOW, None, [packet(b"one")])
    await soon(writing.is_set)
    for _ in range(100):
        capture.take(FLOW, None, [packet(bytes(1_000))])
        await asyncio.sleep(0)
    go_on.set()
    await soon(lambda: "missing in the capture" in caplog.text)
    assert f"90 packets are missing in the capture: the disk of {target.file} is" in caplog.text
    await capture.close()
    assert caplog.text.count("missing in the capture") == 1

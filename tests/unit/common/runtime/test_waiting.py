"""Calls that block: how many, and who waits for them."""

import threading

import pytest

from common.runtime.waiting import MAX_CALLS, begin, wait


def test_what_a_call_returns_or_raises_is_handed_on() -> None:
    assert wait(lambda: 7, 60) == 7
    with pytest.raises(ZeroDivisionError):
        wait(lambda: 1 // 0, 60)


def test_calls_that_hang_are_so_many_and_no_more() -> None:
    """A name server that is silent kept a thread for each question: `status` asks each second."""
    over = threading.Event()
    hanging = [begin(lambda: over.wait(60)) for _ in range(MAX_CALLS + 1)]
    assert not hanging[0].done()
    with pytest.raises(TimeoutError, match="have not ended"):
        hanging[-1].result(0)
    over.set()
    assert all(one.result(60) for one in hanging if one.exception(60) is None)
    assert wait(lambda: 7, 60) == 7


def test_a_call_for_which_there_is_no_thread_takes_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as while_none_is_left:
        while_none_is_left.setattr(threading.Thread, "start", refused)
        for _ in range(MAX_CALLS + 1):
            with pytest.raises(RuntimeError):
                begin(lambda: 7)
    assert wait(lambda: 7, 60) == 7

"""A daemon's command line, run in this process."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Run = Callable[..., tuple[int, str, str]]


@contextmanager
def run_here(
    main: Callable[[Sequence[str]], int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    """Give what runs it: it returns exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "100")
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}

    def run(*args: str) -> tuple[int, str, str]:
        try:
            code: object = main(args)
        except SystemExit as ended:
            code = ended.code
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    try:
        yield run
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

"""Why the system did not do something, out of an OSError that others have wrapped."""

import os
from collections.abc import Iterable


def reason(error: OSError) -> str:
    """Return the system's reason: asyncio wraps it, a resolver's numbers are below zero."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def number_of(error: OSError, known: Iterable[int]) -> int | None:
    """Return the error's number, or the first of `known` that stands in its text.

    Several addresses of one name that fail come as one error with a joint text.
    """
    if error.errno is not None:
        return error.errno
    return next((number for number in known if f"[Errno {number}]" in str(error)), None)

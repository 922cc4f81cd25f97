"""Sentences of Refused that a program reads too: which channels there are.

The protocol has no message that asks for the channels: who asks for one that cannot exist is told
all that do. A sentence that says it in other words is no fault; the reader then knows none.
"""

from collections.abc import Iterable

from common.fields import MAX_SENTENCE

_THERE_ARE = "; there are: "
_NONE = "none"


def unknown_channel(name: str, known: Iterable[str]) -> str:
    """Return the sentence that refuses a channel."""
    names = ", ".join(sorted(known)) or _NONE
    return f"there is no channel {name!r}; there are: {names}"


def channels_named(sentence: str) -> tuple[str, ...] | None:
    """Return the channels that such a sentence names; None: it is another sentence.

    Of a list that was cut off, the name at the cut is left out.
    """
    _, found, names = sentence.rpartition(_THERE_ARE)
    if not found:
        return None
    known = tuple(names.split(", "))
    if len(sentence) >= MAX_SENTENCE:
        return known[:-1]
    return () if known == (_NONE,) else known

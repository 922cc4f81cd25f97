"""Sentences of Refused that a program reads too: which channels there are.

The protocol has no message that asks for the channels: who asks for one that cannot exist is told
all that do. A sentence that says it in other words is no fault; the reader then knows none.
"""

import re
from collections.abc import Iterable

from common.fields import MAX_SENTENCE

CHANNEL_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
"""What a channel can be called; to be matched in full. `.` and `..` would go amiss in a URL's path
(RFC 3986, 5.2.4), and no name begins like them."""
NO_CHANNEL = "?"
"""No channel has this name: who asks for it is told which there are."""
_THERE_ARE = "; there are: "
_NONE = "none"


def unknown_channel(name: str, known: Iterable[str]) -> str:
    """Return the sentence that refuses a channel."""
    names = ", ".join(sorted(known)) or _NONE
    return f"there is no channel {name!r}; there are: {names}"


def channels_named(sentence: str) -> tuple[str, ...] | None:
    """Return the channels that such a sentence names; None: it is another sentence.

    Of a list that was cut off, the name at the cut is left out. What can be no channel's name is
    none of them: names are shown, and asked for.
    """
    _, found, names = sentence.rpartition(_THERE_ARE)
    if not found:
        return None
    if names == _NONE:
        return ()
    whole = names.split(", ")[: -1 if len(sentence) >= MAX_SENTENCE else None]
    return tuple(name for name in whole if CHANNEL_NAME.fullmatch(name)) or None

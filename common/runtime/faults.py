"""Faults of a configuration as sentences: what is wrong, and what to write instead."""

import difflib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from common.runtime.log import redact
from common.runtime.strictyaml import KeyPath

SECRET_KEYS = frozenset({"username", "rtsp_username", "source"})
"""Keys whose values are never quoted, besides those that are a SecretStr."""

MAX_QUOTED = 80
LEAST_SECRET = 4
"""Characters from which on a value from outside is looked for within a sentence."""

_HIDDEN = "the value"
_WHOLE = "is not a whole number: write digits without leading zeros and without quotes"
_MAPPING = "is not a mapping: write `key: value` lines below it"
_WRITE = {
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": "is not a number: write it in digits and without quotes, such as 5 or 0.5",
    "bool_type": "is neither true nor false: write true or false",
    "string_type": "is not text: write it in quotes",
    "tuple_type": "is not a list: write [one, two]",
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "string_pattern_mismatch": "is not a name: write 1 to 64 of A-Z a-z 0-9 . _ -, no dot first",
}
_BOUNDS = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}
_SHORT = ("string_too_short", "too_short")
_LONG = ("string_too_long", "too_long")


class Impossible(NamedTuple):
    """Keys of one model that are possible each, but not together."""

    keys: tuple[str, ...]
    """The first is the one to complain about."""
    sentence: str
    """What is wrong with the first, and what to write."""


def quoted(value: object) -> str:
    """Return a value as a fault shows it: short, one line, no credentials."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | Mapping):
        return "a list" if isinstance(value, tuple) else "a mapping"
    text = redact(repr(value))
    return text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "…"


def sentence(
    kind: type[BaseModel], path: KeyPath, detail: ErrorDetails, secrets: Sequence[str] = ()
) -> str:
    """Return what pydantic found at `path` of a `kind`, without the path.

    `secrets` came from outside the file and are not quoted, whatever the key.
    """
    value: object = detail["input"]
    hide = bool(secrets) or (_is_secret(kind, path) and value not in (None, ""))
    shown = _HIDDEN if hide else quoted(value)
    context = detail.get("ctx", {})
    parts = "characters" if isinstance(value, str) else "entries"
    match detail["type"]:
        case "value_error":
            text = str(context.get("error", ""))
            text = _hidden(text, value, secrets) if hide else text
        case "missing":
            text = f"is missing: write `{path[-1]}: …`"
        case "extra_forbidden":
            text = _unknown_key(keys_at(kind, path[:-1]), str(path[-1]))
        case "literal_error":
            text = f"{shown} is not known: write {context.get('expected')}"
        case code if code in _WRITE:
            text = f"{shown} {_WRITE[code]}"
        case code if code in _SHORT and context.get("min_length") == 1:
            text = f"{shown} is empty: write it out, or leave the key away"
        case code if code in _SHORT:
            text = f"{shown} is too short: at least {context.get('min_length')} {parts}"
        case code if code in _LONG:
            text = f"{shown} is too long: at most {context.get('max_length')} {parts}"
        case _:
            text = f"{shown} is out of bounds: {_bound(context) or detail['msg']}"
    return text


def _is_secret(kind: type[BaseModel], path: KeyPath) -> bool:
    """Return whether what stands at `path` is never quoted."""
    field = field_at(kind, path)
    kinds = (field.annotation, *getattr(field.annotation, "__args__", ())) if field else ()
    return SecretStr in kinds or (bool(path) and path[-1] in SECRET_KEYS)


def _hidden(text: str, value: object, secrets: Sequence[str]) -> str:
    """Return what a validator says, without the value that it quotes.

    What came from outside is not to show without quotes either, unless it is but a letter or
    three, which any sentence may have.
    """
    for one in (value, *secrets):
        for form in (quoted(one), repr(one)):
            text = text.replace(form, _HIDDEN)
    for one in secrets:
        text = text.replace(one, _HIDDEN) if len(one) >= LEAST_SECRET else text
    return text


def _bound(context: Mapping[str, object]) -> str:
    return "".join(
        f"write a number {words} {context[name]}"
        for name, words in _BOUNDS.items()
        if name in context
    )


def _unknown_key(keys: Sequence[str], key: str) -> str:
    close = difflib.get_close_matches(key, keys, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the keys here are {', '.join(keys)}"
    return f"is not a key: {hint}"


def keys_at(kind: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the keys of the model at `path`; the keys of a mapping lead to its values' model."""
    return sorted(_model_at(kind, path).model_fields)


def field_at(kind: type[BaseModel], path: KeyPath) -> FieldInfo | None:
    """Return the field of a model at `path`, None where there is no such key."""
    return _model_at(kind, path[:-1]).model_fields.get(str(path[-1])) if path else None


def _model_at(kind: type[BaseModel], path: KeyPath) -> type[BaseModel]:
    here = kind
    for part in path:
        field = here.model_fields.get(str(part))
        for inner in getattr(field.annotation, "__args__", ()) if field else ():
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                here = inner
    return here

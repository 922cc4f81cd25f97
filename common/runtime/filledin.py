"""`${…}` in a configuration: what stands in the environment or in systemd's credentials.

Rules
-----
1. `${NAME}` is the environment variable, `${NAME:-TEXT}` the same or TEXT where it is not set or
   empty, `${credential:NAME}` the file NAME in `$CREDENTIALS_DIRECTORY` (systemd's
   LoadCredential=), without a line end at its end. `$${` is a plain `${`.
2. They stand in values only, alone or within a text, and what comes out is text, whatever it looks
   like. It is not looked at again.
3. What is not set is a fault that names key and variable. What came from outside is never quoted.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from common.runtime.strictyaml import KeyPath, Value

DIRECTORY = "CREDENTIALS_DIRECTORY"
MAX_CREDENTIAL_BYTES = 64 << 10

_FORM = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_CREDENTIAL = re.compile(r"credential:([A-Za-z0-9_-][A-Za-z0-9._-]*)")
_WRITE = "write ${NAME}, ${NAME:-TEXT} or ${credential:NAME}; $${ for a plain ${"


class FillError(ValueError):
    """A value names something that is not there; its text is a sentence without the key."""


class Filled(NamedTuple):
    """Values with nothing left to fill in."""

    values: dict[str, Value]
    secrets: Mapping[KeyPath, str]
    """Values that came from outside, whole or in part: never to be quoted."""
    faults: Mapping[KeyPath, str]
    """What is wrong with the values that could not be filled in; they stand as they were."""


def fill(values: Mapping[str, Value], environment: Mapping[str, str]) -> Filled:
    """Return the values with all `${…}` replaced."""
    secrets: dict[KeyPath, str] = {}
    faults: dict[KeyPath, str] = {}

    def filled(value: Value, path: KeyPath) -> Value:
        if isinstance(value, dict):
            return {key: filled(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, tuple):
            return tuple(filled(inner, (*path, at)) for at, inner in enumerate(value))
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            text = _text(value, environment)
        except FillError as error:
            faults[path] = str(error)
            return value
        secrets[path] = text
        return text

    whole = {key: filled(value, (key,)) for key, value in values.items()}
    return Filled(whole, secrets, faults)


def _text(text: str, environment: Mapping[str, str]) -> str:
    def one(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        inner = found[1] or ""
        if name := _CREDENTIAL.fullmatch(inner):
            return _credential(name[1], environment)
        if variable := _VARIABLE.fullmatch(inner):
            return _variable(variable[1], variable[2], environment)
        raise FillError(f"has a ${{ that names nothing: {_WRITE}")

    return _FORM.sub(one, text)


def _variable(name: str, default: str | None, environment: Mapping[str, str]) -> str:
    if value := environment.get(name):
        return value
    if default is None:
        raise FillError(
            f"takes the environment variable {name}, which is not set or empty: set it, or write"
            f" ${{{name}:-TEXT}}"
        )
    return default


def _credential(name: str, environment: Mapping[str, str]) -> str:
    folder = environment.get(DIRECTORY)
    if not folder:
        raise FillError(
            f"takes the credential {name}, but ${DIRECTORY} is not set: start it from systemd with"
            f" LoadCredential={name}:/path/to/file, or set it to a directory with a file {name}"
        )
    try:
        with (Path(folder) / name).open("rb") as file:
            raw = file.read(MAX_CREDENTIAL_BYTES + 1)
        text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise FillError(
            f"takes the credential {name}, which cannot be read: {error.strerror}: write"
            f" LoadCredential={name}:/path/to/file into the systemd unit"
        ) from error
    except UnicodeDecodeError as error:
        raise FillError(f"takes the credential {name}, which is not UTF-8 text") from error
    if not text or len(raw) > MAX_CREDENTIAL_BYTES:
        raise FillError(
            f"takes the credential {name}, which has to have 1 to {MAX_CREDENTIAL_BYTES} bytes"
        )
    return text

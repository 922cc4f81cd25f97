"""What a key of the configuration means besides its type, and what a reload makes of it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar

from pydantic import GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from common.runtime.config import Settings
from common.runtime.log import LogFormat, LogLevel, configure

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Settings)

OnReload: TypeAlias = Literal["now", "new", "source", "channel", "restart"]
"""When a changed key counts after SIGHUP, from the least to the most that it costs."""

LOG_KEYS = frozenset({"log_level", "log_format"})

EFFECTS: dict[OnReload, str] = {
    "now": "counts at once",
    "new": "counts for what begins from now on",
    "source": "the source of this channel is pulled anew; its viewers stay",
    "channel": "this channel begins anew, as after a restart of the server proxy",
    "restart": "needs a restart",
}


@dataclass(frozen=True, slots=True)
class Key:
    """Metadata of a field (in `Annotated`)."""

    on_reload: OnReload
    unit: str = ""
    """As it stands behind a number: `seconds`, `bytes`."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        """Put both into the JSON Schema, for whom it does not concern."""
        schema = handler(core_schema)
        unit = {"x-unit": self.unit} if self.unit else {}
        return {**schema, **unit, "x-on-reload": self.on_reload}


ByEffect: TypeAlias = dict[OnReload, list[str]]
"""Keys that have changed, by what that does, in the order of the model."""


class Followed(NamedTuple, Generic[M]):
    """What comes of another configuration while the daemon runs."""

    config: M
    """What is in force from now on: keys that need a restart keep their value."""
    by_effect: ByEffect


def key_of(field: FieldInfo) -> Key:
    """Return the metadata of a field; one without needs a restart."""
    return next((one for one in field.metadata if isinstance(one, Key)), Key("restart"))


def changes(old: Settings, new: Settings) -> ByEffect:
    """Return the keys in which two models of one kind differ."""
    found: ByEffect = {}
    for name, field in type(old).model_fields.items():
        if getattr(old, name) != getattr(new, name):
            found.setdefault(key_of(field).on_reload, []).append(name)
    return found


def follow(old: M, new: M, *, apart: Sequence[str] = ()) -> Followed[M]:
    """Take another configuration. Keys that are `apart` are told by the caller itself."""
    by_effect = {
        effect: rest
        for effect, keys in changes(old, new).items()
        if (rest := [key for key in keys if key not in apart])
    }
    kept = {key: getattr(old, key) for key in by_effect.get("restart", ())}
    return Followed(new.model_copy(update=kept), by_effect)


def take(by_effect: ByEffect, level: LogLevel, style: LogFormat) -> None:
    """Log what a reload has done, and go on logging as it says; that it does is logged too."""
    anew = LOG_KEYS.intersection(by_effect.get("now", ()))
    quieter = logging.getLevelNamesMapping()[level.upper()] > logging.getLogger().level
    if anew and not quieter:
        configure(level, style)
    tell(by_effect)
    if anew and quieter:
        configure(level, style)


def tell(by_effect: Mapping[OnReload, Sequence[str]], **fields: str) -> None:
    """Log what a reload has done, a line for each effect, with these fields."""
    for effect, keys in by_effect.items():
        level = logging.WARNING if effect == "restart" else logging.INFO
        log.log(level, "reloaded: %s: %s", ", ".join(keys), EFFECTS[effect], extra=fields)

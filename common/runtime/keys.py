"""What a key of the configuration means besides its type, and what a reload makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from pydantic import GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from common.runtime.config import Settings

OnReload: TypeAlias = Literal["now", "new", "source", "channel", "restart"]
"""When a changed key counts after SIGHUP, from the least to the most that it costs."""

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


class Change(NamedTuple):
    """A key whose value another configuration has otherwise."""

    key: str
    on_reload: OnReload


def key_of(field: FieldInfo) -> Key:
    """Return the metadata of a field; one without needs a restart."""
    return next((one for one in field.metadata if isinstance(one, Key)), Key("restart"))


def changes(old: Settings, new: Settings) -> Iterator[Change]:
    """Yield the keys in which two models of one kind differ, in the order of the model."""
    for name, field in type(old).model_fields.items():
        if getattr(old, name) != getattr(new, name):
            yield Change(name, key_of(field).on_reload)

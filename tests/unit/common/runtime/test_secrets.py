"""Whatever a daemon keeps as a secret: no fault quotes it."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel, SecretStr

from clientproxy.config import ClientConfig
from common.errors import ConfigError
from common.runtime.config import Draft, Settings
from serverproxy.config import ServerConfig

NUMBER = 987_654_321


def secrets(kind: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each secret key of a model."""
    for name, field in kind.model_fields.items():
        inner = (field.annotation, *getattr(field.annotation, "__args__", ()))
        if SecretStr in inner:
            yield (*above, name)
        for one in inner:
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from secrets(one, (*above, name, "cam"))


FOUND = [(kind, path) for kind in (ServerConfig, ClientConfig) for path in secrets(kind)]


def test_these_are_the_secrets() -> None:
    assert [path[-1] for _, path in FOUND] == ["http_token", "password", "rtsp_password"]


@pytest.mark.parametrize(("kind", "path"), FOUND)
def test_no_secret_is_quoted(kind: type[Settings], path: tuple[str, ...]) -> None:
    draft = Draft(None)
    draft.set(path, NUMBER, "--it")
    with pytest.raises(ConfigError) as refused:
        draft.model(kind)
    assert "--it: the value is not text: write it in quotes" in refused.value.faults
    assert str(NUMBER) not in str(refused.value)

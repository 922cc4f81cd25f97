"""`serverproxy status --json`: one document of several answers."""

import msgspec
import pytest

from common.ids import Address
from common.runtime.ask import Api, MissingError
from serverproxy.commands.status import _View


class Closing(Api):
    """A server proxy whose channel `gone` is closed between two questions."""

    def get(self, path: str) -> bytes:
        if path == "/api/v1/status":
            return msgspec.json.encode({"channels": [{"name": "gone"}, {"name": "cam"}]})
        if path.endswith("gone"):
            raise MissingError("closed")
        return b'{"name": "cam"}'


def test_a_channel_that_closes_between_two_questions_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serverproxy.commands.status.Status", _Names)
    document = _View().document(Closing("serverproxy", Address("127.0.0.1", 1)))
    assert document["channels"] == [{"name": "cam"}]


class _Name(msgspec.Struct):
    name: str


class _Names(msgspec.Struct):
    channels: list[_Name]

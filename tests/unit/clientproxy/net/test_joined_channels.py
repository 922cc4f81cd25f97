"""What a reload of the client proxy does besides its channels."""

import pytest

from clientproxy.config import ClientConfig
from clientproxy.net.channels import JoinedChannels
from common.errors import ConfigError
from common.runtime.capture import Capture


async def test_only_a_reload_that_happens_begins_a_new_capture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The files that are kept are few: one more for each fault, and the first are gone."""
    channels = JoinedChannels(ClientConfig())
    begun: list[object] = []
    monkeypatch.setattr(Capture, "follow", lambda _, target: begun.append(target))

    def fails(_: ClientConfig) -> ClientConfig:
        raise ConfigError(["oops: is no key"])

    with monkeypatch.context() as broken:
        broken.setattr(ClientConfig, "reload", fails)
        with pytest.raises(ConfigError):
            channels.reload()
    assert begun == []
    channels.reload()
    assert begun == [None]

"""All channels of the server proxy: what happens to one is no matter of the others."""

import pytest

from common.errors import ConfigError
from common.runtime.capture import Capture
from common.runtime.downlink import Downlink
from common.runtime.metrics import LoopLag
from common.runtime.tasks import Tasks
from serverproxy.config import ServerConfig
from serverproxy.net.served import ServedChannels


async def test_a_bug_in_one_channel_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sources = {name: {"source": "rtsp://127.0.0.1/none"} for name in ("a", "b")}
    served = ServedChannels(ServerConfig.model_validate({"channels": sources}), Tasks())
    ticked: list[str] = []

    def fails() -> float | None:
        raise KeyError("a bug")

    def notes() -> float | None:
        ticked.append("b")
        return None

    a, b = served.by_name["a"], served.by_name["b"]
    names = {a.feed.downlink: "children of a", b.feed.downlink: "children of b"}
    monkeypatch.setattr(a.control.membership, "next_deadline", fails)
    monkeypatch.setattr(Downlink, "tick", lambda one, _: ticked.append(names[one]))
    monkeypatch.setattr(b.control.membership, "next_deadline", notes)
    lag = LoopLag()
    served.tick(0.05, lag)
    assert ticked == ["children of a", "b", "children of b"]
    assert lag.failures == 1
    (record,) = caplog.records
    assert vars(record)["channel"] == "a"


async def test_only_a_reload_that_happens_begins_a_new_capture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The files that are kept are few: one more for each fault, and the first are gone."""
    config = ServerConfig.model_validate({"channels": {"a": {"source": "rtsp://127.0.0.1/none"}}})
    served = ServedChannels(config, Tasks())
    begun: list[object] = []
    monkeypatch.setattr(Capture, "follow", lambda _, target: begun.append(target))

    def fails(_: ServerConfig) -> ServerConfig:
        raise ConfigError(["oops: is no key"])

    with monkeypatch.context() as broken:
        broken.setattr(ServerConfig, "reload", fails)
        with pytest.raises(ConfigError):
            served.reload()
    assert begun == []
    served.reload()
    assert begun == [None]

import asyncio
import logging

import pytest

from common.runtime.tasks import Tasks


async def test_close_cancels_all_and_waits_for_their_end() -> None:
    tasks, ended = Tasks(), list[str]()

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    for name in ("one", "two"):
        tasks.spawn(work(name), name=name)
    await asyncio.sleep(0)
    await tasks.close()
    assert sorted(ended) == ["one", "two"]


async def test_a_task_has_its_name_and_its_result() -> None:
    tasks = Tasks()

    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    task = tasks.spawn(work(), name="seven")
    assert task.get_name() == "seven"
    assert await task == 7
    await tasks.close()


async def test_what_a_task_raises_is_logged_once_with_name_and_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tasks = Tasks()

    async def work() -> None:
        raise ValueError("no good")

    task = tasks.spawn(work(), name="source", fields={"channel": "cam"})
    await asyncio.wait([task])
    await tasks.close()
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert record.getMessage() == "task source failed"
    assert vars(record)["channel"] == "cam"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "no good"


async def test_a_task_may_close_the_others_and_itself_goes_on() -> None:
    tasks, ended = Tasks(), asyncio.Event()

    async def forever() -> None:
        await asyncio.Event().wait()

    async def closer() -> None:
        await tasks.close()
        ended.set()

    other = tasks.spawn(forever(), name="forever")
    tasks.spawn(closer(), name="closer")
    await asyncio.wait_for(ended.wait(), 60)
    assert other.cancelled()
    await tasks.close()

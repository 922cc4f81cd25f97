"""`clientproxy doctor`: the examination, progress on standard error, the report on standard output.

Ctrl-C and SIGTERM end it at once: the channel is left in good order, nothing is reported.
"""

import asyncio
import signal
from dataclasses import replace

from clientproxy.config import ClientConfig
from clientproxy.core.diagnosis import report
from clientproxy.core.diagnosis.diagnose import Diagnosis, diagnose
from clientproxy.core.diagnosis.measured import Measured
from clientproxy.net.doctor.examination import examine
from clientproxy.net.doctor.progress import Progress
from common.runtime import output
from common.runtime.daemon import FAILED
from common.runtime.log import one_line
from common.runtime.tasks import Tasks
from common.runtime.waiting import NobodysThreads


def run(config: ClientConfig, channel: str | None, *, seconds: float, as_json: bool) -> int:
    """Examine and report; return the exit code: 0 fine, 1 a problem or broken off.

    Raises OutputError.
    """
    with asyncio.Runner() as runner:
        # Links to others may be to names: the end waits for no look-up.
        runner.get_loop().set_default_executor(NobodysThreads())
        measured = runner.run(_examine(config, channel, seconds))
    if measured is None:
        output.complain("broken off: nothing is reported")
        return FAILED
    diagnosis = diagnose(measured)
    if as_json:
        output.write(report.json(diagnosis, measured))
    else:
        output.write(report.text(_shown(diagnosis)))
    return diagnosis.exit_code


def _shown(diagnosis: Diagnosis) -> Diagnosis:
    """Escape what a server says, before lines are made of it: it steers no terminal, ends no line.

    In JSON it stands as it came: there it can do neither.
    """
    findings = [
        replace(
            one,
            what=one_line(one.what),
            meaning=one_line(one.meaning),
            advice=one_line(one.advice),
        )
        for one in diagnosis.findings
    ]
    return replace(diagnosis, verdict=one_line(diagnosis.verdict), findings=findings)


async def _examine(config: ClientConfig, channel: str | None, seconds: float) -> Measured | None:
    tasks, loop = Tasks(), asyncio.get_running_loop()
    progress = Progress()
    tasks.spawn(progress.run(), name="progress")
    examination = tasks.spawn(examine(config, channel, seconds, progress), name="examination")
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, examination.cancel)
    try:
        return await examination
    except asyncio.CancelledError:
        return None
    finally:
        await tasks.close()

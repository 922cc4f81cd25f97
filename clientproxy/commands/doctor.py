"""`clientproxy doctor`: the examination, progress on standard error, the report on standard output.

Ctrl-C and SIGTERM end it at once: the channel is left in good order, nothing is reported.
"""

import asyncio
import signal
import sys

from clientproxy.config import ClientConfig
from clientproxy.core.diagnosis import report
from clientproxy.core.diagnosis.diagnose import diagnose
from clientproxy.core.diagnosis.measured import Measured
from clientproxy.net.doctor.examination import examine
from clientproxy.net.doctor.progress import Progress
from common.runtime.daemon import FAILED
from common.runtime.log import one_line
from common.runtime.tasks import Tasks


def run(config: ClientConfig, channel: str | None, *, seconds: float, as_json: bool) -> int:
    """Examine and report; return the exit code: 0 fine, 1 a problem or broken off."""
    with asyncio.Runner() as runner:
        measured = runner.run(_examine(config, channel, seconds))
    if measured is None:
        sys.stderr.write("broken off: nothing is reported\n")
        return FAILED
    diagnosis = diagnose(measured)
    if as_json:
        sys.stdout.write(report.json(diagnosis, measured))
    else:
        # What a server says is shown, not obeyed: it may hold control characters.
        sys.stdout.write("\n".join(map(one_line, report.text(diagnosis).split("\n"))))
    return diagnosis.exit_code


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

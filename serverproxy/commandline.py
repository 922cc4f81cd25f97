"""Command line of the server proxy: `serverproxy run`, `check`, `status`, `completion`."""

import argparse
from collections.abc import Sequence

from common.errors import ConfigError
from common.runtime import cli, log
from common.runtime.daemon import end_quietly, run_daemon
from common.runtime.output import OutputError
from serverproxy.config import HTTP_PORT, check, load

EXAMPLES = """\
examples:
  serverproxy run --channel cam=rtsp://camera/live
        pull a camera; viewers open rtsp://localhost:8554/cam at their client proxy
  serverproxy check /etc/stripecast/serverproxy.yaml
        every fault of a file at once
  serverproxy status
        channels, both trees and each node of the daemon on this machine, live
"""

EXAMPLES_OF_RUN = """\
examples:
  serverproxy run --channel cam=rtsp://camera/live
        pull a camera; viewers open rtsp://localhost:8554/cam at their client proxy
  serverproxy run --channel test=testcard:
        no camera at hand: a moving test picture with a tone
  serverproxy run --config config/serverproxy.yaml --log-format json
        everything else is in the file; `serverproxy check FILE` checks it
  serverproxy run --channel a=rtsp://one/live --channel b=rtsp://two/live --listen :7900
        several channels, on another port

Credentials of a camera are better kept in the file than in the URL of a flag: others on this
machine can see the arguments of a process. In the file, "${NAME}" takes them from the environment.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code."""
    parser = _parser()
    args = parser.take(argv)
    try:
        if args.command == "completion":
            return cli.print_completion(parser, args.shell)
        if args.command == "check":
            check(args.file)
            return cli.accept(args.file)
        if args.command == "status":
            from serverproxy.commands.status import status

            end_quietly()
            return status(args)
        config = load(args)
    except ConfigError as error:
        return cli.refuse(error)
    except OutputError as error:
        return cli.fail(error)
    log.configure(config.log_level, config.log_format)

    from serverproxy.app import run

    return run_daemon(lambda stop: run(config, stop))


def _parser() -> cli.Parser:
    parser, commands = cli.program(
        "serverproxy",
        "Pull live RTSP streams once and send each into two trees of client proxies.",
        EXAMPLES,
    )
    run = cli.add_run(parser, commands, EXAMPLES_OF_RUN)
    run.add_argument(
        "--channel",
        metavar="NAME=URL",
        action="append",
        type=_channel,
        help="a channel and its source: rtsp://, rtsps:// or testcard: (may be repeated)",
    )
    run.add_argument("--listen", metavar="HOST:PORT", help="overlay port for nodes [:7854]")
    run.add_argument(
        "--http", metavar="HOST:PORT", help="status page, metrics and API [127.0.0.1:9854]"
    )
    cli.add_check(parser, commands)
    cli.add_status(parser, commands, HTTP_PORT)
    cli.add_completion(parser, commands)
    return parser


def _channel(text: str) -> tuple[str, str]:
    name, equals, url = text.partition("=")
    if not (name and equals and url):
        # The text itself may hold a password.
        raise argparse.ArgumentTypeError("write NAME=URL, such as cam=rtsp://camera/live")
    return name, url

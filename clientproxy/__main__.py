"""Command line of the client proxy: `clientproxy run`, `check`, `status`, `completion`."""

import sys
from collections.abc import Sequence

from clientproxy.config import HTTP_PORT, check, load
from common.errors import ConfigError
from common.runtime import cli, log
from common.runtime.daemon import end_quietly, run_daemon

EXAMPLES = """\
examples:
  clientproxy run server.example
        then open rtsp://localhost:8554/cam in any player
  clientproxy check /etc/stripecast/clientproxy.yaml
        every fault of a file at once
"""

EXAMPLES_OF_RUN = """\
examples:
  clientproxy run server.example
        then open rtsp://localhost:8554/cam in any player
  clientproxy run
        the player names the server: rtsp://localhost:8554/server.example/cam
  clientproxy run server.example --join cam --max-children 4
        a relay: joins without waiting for a player, serves up to four others
  clientproxy run server.example --listen :0 --rtsp 127.0.0.1:0 --http 127.0.0.1:0
        one more on the same machine; its first log lines say which ports it took
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code."""
    end_quietly()
    parser = _parser()
    args = parser.take(argv)
    try:
        if args.command == "completion":
            return cli.print_completion(parser, args.shell)
        if args.command == "check":
            check(args.file)
            return cli.accept(args.file)
        if args.command == "status":
            from clientproxy.commands.status import status

            return status(args)
        config = load(args)
    except ConfigError as error:
        return cli.refuse(error)
    log.configure(config.log_level, config.log_format)

    from clientproxy.app import run

    return run_daemon(lambda stop: run(config, stop))


def _parser() -> cli.Parser:
    parser, commands = cli.program(
        "clientproxy",
        "Show live streams to any RTSP player, and pass half of each stream on.",
        EXAMPLES,
    )
    run = cli.add_run(parser, commands, EXAMPLES_OF_RUN)
    run.add_argument(
        "server", metavar="SERVER[:PORT]", nargs="?", help="server proxy; else the player names it"
    )
    run.add_argument("--listen", metavar="HOST:PORT", help="overlay port for other nodes [:7855]")
    run.add_argument("--rtsp", metavar="HOST:PORT", help="where players come to [127.0.0.1:8554]")
    run.add_argument(
        "--http", metavar="HOST:PORT", help="status page, metrics and API [127.0.0.1:9855]"
    )
    run.add_argument(
        "--max-children",
        metavar="N",
        help="serve at most N other nodes, over all channels' stripes [auto]",
    )
    run.add_argument(
        "--join",
        metavar="CHANNEL",
        action="append",
        help="join at once, without waiting for a player (may be repeated)",
    )
    cli.add_check(parser, commands)
    cli.add_status(parser, commands, HTTP_PORT)
    cli.add_completion(parser, commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

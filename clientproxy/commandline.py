"""Command line of the client proxy: `clientproxy run`, `watch`, `status`, `doctor` and more."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clientproxy.config import HTTP_PORT, check, load
from common.errors import ConfigError
from common.runtime import cli, log
from common.runtime.daemon import end_quietly, run_daemon
from common.runtime.output import OutputError

if TYPE_CHECKING:
    from clientproxy.commands.watchurl import Wanted

EXAMPLES = """\
examples:
  clientproxy run server.example
        then open rtsp://localhost:8554/cam in any player
  clientproxy watch rtsp://server.example/cam
        join, and start a player on it; ends with the player
  clientproxy check /etc/stripecast/clientproxy.yaml
        every fault of a file at once
  clientproxy doctor server.example
        what lies between this machine and the picture
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

EXAMPLES_OF_WATCH = """\
examples:
  clientproxy watch rtsp://server.example/cam
        in the first player that is installed
  clientproxy watch rtsp://server.example/cam --player 'mpv --profile=low-latency'
        in a player of your choice; its exit code is that of the command
  clientproxy watch rtsp://server.example:7900/cam --player none
        only join and print the URL, for a player with a window of its own

exit codes: that of the player; 0 ended by Ctrl-C, 1 the channel cannot be had,
2 bad configuration or arguments
"""

EXAMPLES_OF_DOCTOR = """\
examples:
  clientproxy doctor server.example
        looks at the server proxy's first channel
  clientproxy doctor server.example:7854 cam --json
        one channel; findings and figures for a program
  clientproxy doctor server.example --config /etc/stripecast/clientproxy/hall.yaml
        with the ports and addresses of that configuration
"""

MORE_OF_DOCTOR = """\
Can the server proxy be reached, and can it and other nodes reach this machine? Clock, round trip,
a few seconds of the stream, ports that clash; each with what it means and what to do. It joins for
a few seconds as a node that takes no children, fed by whoever has a slot, as every node is.
It takes 6 to 20 seconds. Ctrl-C ends it."""

EXIT_CODES_OF_DOCTOR = (
    "exit codes: 0 fine (perhaps with warnings), 1 a problem, or broken off, 2 bad arguments"
)
SHORTEST, LONGEST = 0.5, 10.0
"""Seconds for which the doctor may look at the stream."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code."""
    parser = _parser()
    args = parser.take(argv)
    do = {"run": _run, "watch": _watch, "check": _check, "status": _status, "doctor": _doctor}
    try:
        if args.command == "completion":
            return cli.print_completion(parser, args.shell)
        return do[args.command](args)
    except ConfigError as error:
        return cli.refuse(error)
    except OutputError as error:
        return cli.fail(error)


def _run(args: argparse.Namespace) -> int:
    config = load(args)
    log.configure(config.log_level, config.log_format)

    from clientproxy.app import run

    return run_daemon(lambda stop: run(config, stop))


def _watch(args: argparse.Namespace) -> int:
    from clientproxy.commands.watch import watch

    return watch(args)


def _check(args: argparse.Namespace) -> int:
    check(args.file)
    return cli.accept(args.file)


def _status(args: argparse.Namespace) -> int:
    from clientproxy.commands.status import status

    end_quietly()
    return status(args)


def _doctor(args: argparse.Namespace) -> int:
    config = load(args)
    log.configure("error", "text")

    from clientproxy.commands.doctor import run

    return run(config, args.channel, seconds=args.seconds, as_json=args.json)


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
    _add_ports(run)
    _add_slots(run)
    run.add_argument(
        "--join",
        metavar="CHANNEL",
        action="append",
        help="join at once, without waiting for a player (may be repeated)",
    )
    _add_watch(parser, commands)
    cli.add_check(parser, commands)
    cli.add_status(parser, commands, HTTP_PORT)
    _add_doctor(parser, commands)
    cli.add_completion(parser, commands)
    return parser


def _add_ports(command: cli.Parser) -> None:
    command.add_argument(
        "--listen", metavar="HOST:PORT", help="overlay port for other nodes [:7855]"
    )
    command.add_argument(
        "--rtsp", metavar="HOST:PORT", help="where players come to [127.0.0.1:8554]"
    )
    command.add_argument(
        "--http", metavar="HOST:PORT", help="status page, metrics and API [127.0.0.1:9855]"
    )


def _add_slots(command: cli.Parser) -> None:
    command.add_argument(
        "--max-children",
        metavar="N",
        help="serve at most N other nodes in each channel, over all its stripes [auto]",
    )


def _add_watch(parser: cli.Parser, commands: "cli.Commands[cli.Parser]") -> None:
    watch = cli.add_command(
        parser,
        commands,
        "watch",
        what="join a channel and start a player on it",
        more="A client proxy that ends with its player. It takes other ports where the usual ones\n"
        "are taken, says what it does on standard error, and the URL on standard output.",
        examples=EXAMPLES_OF_WATCH,
    )
    watch.add_argument("url", metavar="URL", type=_url, help="rtsp://SERVER[:PORT]/CHANNEL")
    watch.add_argument(
        "--player",
        metavar="COMMAND",
        help="the player; {url} in it, or its end, is where the URL goes; none starts no player"
        " [the first of mpv, ffplay, vlc, gst-play-1.0, gst-launch-1.0 that is installed]",
    )
    cli.add_configuration(watch, log_level="error")
    _add_ports(watch)
    _add_slots(watch)


def _url(text: str) -> "Wanted":
    from clientproxy.commands.watchurl import parse

    try:
        return parse(text)
    except ValueError as error:
        # The text itself may hold a password.
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_doctor(parser: cli.Parser, commands: "cli.Commands[cli.Parser]") -> None:
    doctor = cli.add_command(
        parser,
        commands,
        "doctor",
        what="find out what lies between this machine and the picture",
        more=MORE_OF_DOCTOR,
        examples=f"{EXAMPLES_OF_DOCTOR}\n{EXIT_CODES_OF_DOCTOR}",
    )
    doctor.add_argument("server", metavar="SERVER[:PORT]", help="server proxy")
    doctor.add_argument(
        "channel", metavar="CHANNEL", nargs="?", help="channel to look at [the first]"
    )
    config = doctor.add_argument("--config", metavar="FILE", type=Path, help="YAML file")
    doctor.files.append(config)
    _add_ports(doctor)
    doctor.add_argument(
        "--seconds",
        metavar="SECONDS",
        type=_seconds,
        default=5.0,
        help=f"how long to look at the stream, {SHORTEST:g} to {LONGEST:g} [5]",
    )
    doctor.add_argument("--json", action="store_true", help="findings and all figures as JSON")
    # What `load` asks for besides.
    doctor.set_defaults(max_children=None, join=None, log_level=None, log_format=None, pcap=None)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not SHORTEST <= value <= LONGEST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds: write {SHORTEST:g} to {LONGEST:g}"
        )
    return value

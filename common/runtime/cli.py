"""What the command lines of both daemons share: flags, one-line errors, exit codes."""

import argparse
import sys
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from common.errors import ConfigError
from common.runtime.daemon import BAD_CONFIG, ENDED


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(BAD_CONFIG, f"{self.prog}: {message} (see {self.prog} --help)\n")


Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def program(name: str, what: str) -> tuple[Parser, "Commands[Parser]"]:
    """Return the parser of a daemon and where its commands are added."""
    parser = Parser(prog=name, description=what, allow_abbrev=False)
    version = f"{name} (Stripecast) {metadata.version('stripecast')}"
    parser.add_argument("--version", action="version", version=version)
    return parser, parser.add_subparsers(dest="command", metavar="run | check", required=True)


def run_command(commands: "Commands[Parser]", examples: str) -> Parser:
    """Add `run` with the flags that both daemons have."""
    run = commands.add_parser(
        "run",
        help="run the daemon in the foreground",
        description="Run the daemon in the foreground; SIGTERM or Ctrl-C ends it; SIGHUP takes"
        " the log level anew."
        " Flags win over the file, the file over the defaults.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument("--config", metavar="FILE", type=Path, help="YAML file")
    run.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error [info]")
    run.add_argument("--log-format", metavar="FORMAT", help="text or json [text]")
    return run


def check_command(commands: "Commands[Parser]") -> None:
    """Add `check`."""
    check = commands.add_parser(
        "check",
        help="check a YAML file",
        description="Check a YAML file: exit code 0, or 2 with every fault and its key.",
        allow_abbrev=False,
    )
    check.add_argument("file", metavar="FILE", type=Path)


def accept(file: Path) -> int:
    """Say that `check` found no fault; return the exit code."""
    sys.stdout.write(f"{file}: no fault found\n")
    return ENDED


def refuse(error: ConfigError) -> int:
    """Print every fault, one a line; return the exit code."""
    sys.stderr.write("".join(f"{fault}\n" for fault in error.faults))
    return BAD_CONFIG

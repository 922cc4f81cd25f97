"""What the command lines of both daemons share: commands, flags, one-line errors, exit codes.

A wrong argument is one sentence that says what to write, on standard error, with exit code 2.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn, get_args

from common.errors import ConfigError
from common.runtime import output
from common.runtime.daemon import BAD_CONFIG, ENDED, FAILED
from common.runtime.log import LogFormat, LogLevel, one_line

SHELLS = ("bash", "zsh", "fish")

EXIT_CODES = (
    "exit codes: 0 ended as asked, 1 failed while running, 2 bad configuration or arguments"
)

_CHOICE = re.compile(r"argument (.+?): invalid choice: (.+) \(choose from (.+)\)", re.DOTALL)
_VALUE = re.compile(r"argument (\S+): expected (?:one|at least one) argument")
_MISSING = re.compile(r"the following arguments are required: (.+)")
_FLAG = re.compile(r"--[a-z][a-z-]*")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line that says what to do."""

    def __init__(self, **settings: object) -> None:
        """Take what ArgumentParser takes; nothing is abbreviated, examples keep their lines."""
        prog, description = settings.get("prog"), settings.get("description")
        epilog = settings.get("epilog")
        super().__init__(
            prog=None if prog is None else str(prog),
            description=None if description is None else str(description),
            epilog=None if epilog is None else str(epilog),
            formatter_class=_Help,
            allow_abbrev=False,
        )
        self.commands: dict[str, Parser] = {}
        self.files: list[argparse.Action] = []
        """Arguments that are paths of files: shells complete them."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        text = one_line(self._sentence(message))
        self.exit(BAD_CONFIG, f"{self.prog}: {text} (see {self.prog} --help)\n")

    def _sentence(self, message: str) -> str:
        if found := _CHOICE.fullmatch(message):
            name, value, choices = found.groups()
            words = [word.strip("' ") for word in choices.split(",")]
            hint = _one_of(value, words)
            if name == "COMMAND":
                return f"{value} is not a command: {hint}"
            return f"{name}: {value} is not known: {hint}"
        if found := _VALUE.fullmatch(message):
            return f"{found[1]} needs a value: write {found[1]} {self._metavar(found[1])}"
        if found := _MISSING.fullmatch(message):
            if found[1] == "COMMAND":
                return f"a command is missing: write {_enumerated(list(self.commands))}"
            return f"{found[1]} is missing: write it behind `{self.prog}`"
        message = re.sub("ignored explicit argument.*", "takes no value: leave it out", message)
        return message.removeprefix("argument ")

    def _metavar(self, flag: str) -> str:
        found = re.search(rf"{re.escape(flag)} (\S+?)[\]\s]", f"{self.format_usage()} ")
        return found[1] if found else "VALUE"

    def take(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Return the arguments, as `parse_args` does; what is too much may be a slip of the pen."""
        args, rest = self.parse_known_args(argv)
        if rest:
            used = self.commands.get(str(getattr(args, "command", "")), self)
            used.error(_too_much(rest, _FLAG.findall(used.format_usage())))
        return args


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of examples, and a command beside its explanation."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


def _one_of(value: str, words: Sequence[str]) -> str:
    close = difflib.get_close_matches(value.strip("'"), words, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"write {_enumerated(words)}{hint}"


def _enumerated(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _too_much(rest: Sequence[str], flags: Sequence[str]) -> str:
    def sentences() -> Iterator[str]:
        before = ""
        for word in rest:
            name, value, _ = word.partition("=")
            if word.startswith("-"):
                close = difflib.get_close_matches(name, flags, n=1)
                hint = f"did you mean {close[0]}?" if close else "leave it out"
                yield f"{name} is not a flag: {hint}"
            elif not before.startswith("-"):  # else it is what belongs to that flag
                yield f"{word!r} is one argument too many: leave it out"
            before = "" if value else word

    return "; ".join(dict.fromkeys(sentences()))


Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def program(name: str, what: str, examples: str) -> tuple[Parser, "Commands[Parser]"]:
    """Return the parser of a daemon and where its commands are added (`add_command`)."""
    parser = Parser(prog=name, description=what, epilog=f"{examples}\n{EXIT_CODES}")
    version = f"{name} (Stripecast) {metadata.version('stripecast')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, title="commands", parser_class=Parser
    )
    return parser, commands


def add_command(
    parser: Parser, commands: "Commands[Parser]", name: str, *, what: str, more: str, examples: str
) -> Parser:
    """Add a command: `what` is its line in the program's help, `more` a text in its own."""
    sentence = f"{what[:1].upper()}{what[1:]}."
    command = commands.add_parser(
        name, help=what, description=f"{sentence}\n{more}".strip(), epilog=examples
    )
    parser.commands[name] = command
    return command


def add_run(parser: Parser, commands: "Commands[Parser]", examples: str) -> Parser:
    """Add `run` with the flags that both daemons have."""
    run = add_command(
        parser,
        commands,
        "run",
        what="run the daemon in the foreground",
        more="SIGTERM or Ctrl-C ends it; SIGHUP reads the file again and says what has changed.\n"
        "Flags win over the file, the file over the defaults.",
        examples=f"{examples}\n{EXIT_CODES}",
    )
    add_configuration(run, log_level="info")
    return run


def add_configuration(command: Parser, *, log_level: LogLevel) -> None:
    """Add the flags of what runs a daemon; `log_level` is what it logs unless told otherwise."""
    file = command.add_argument("--config", metavar="FILE", type=Path, help="YAML file")
    command.files.append(file)
    levels, formats = get_args(LogLevel), get_args(LogFormat)
    command.add_argument(
        "--log-level", metavar="LEVEL", choices=levels, help=f"{_enumerated(levels)} [{log_level}]"
    )
    command.add_argument(
        "--log-format", metavar="FORMAT", choices=formats, help=f"{_enumerated(formats)} [text]"
    )
    pcap = command.add_argument("--pcap", metavar="FILE", help="capture all packets, for Wireshark")
    command.files.append(pcap)


def add_check(parser: Parser, commands: "Commands[Parser]") -> None:
    """Add `check`."""
    check = add_command(
        parser,
        commands,
        "check",
        what="check a YAML file",
        more="Nothing is opened. Exit code 0, or 2 with every fault at once: its key, its line,\n"
        "what is wrong and what to write.",
        examples=f"examples:\n  {parser.prog} check /etc/stripecast/{parser.prog}.yaml\n",
    )
    check.files.append(check.add_argument("file", metavar="FILE", type=Path, help="YAML file"))


def add_status(parser: Parser, commands: "Commands[Parser]", port: int) -> None:
    """Add `status`; `port` is where the daemon's `http` is unless configured otherwise."""
    name = parser.prog
    status = add_command(
        parser,
        commands,
        "status",
        what="show what the daemon on this machine does",
        more="A table that is drawn again each second, until Ctrl-C; one table where standard\n"
        "output is no terminal. It asks the HTTP API of the daemon that runs.",
        examples=f"""\
examples:
  {name} status
  {name} status --config /etc/stripecast/{name}.yaml
        where the daemon's http is elsewhere: its file says where
  {name} status --once
        one table, for a mail or a bug report
  {name} status --json
        all that the API says, for a script

exit codes: 0 shown, 1 no daemon answers, 2 bad configuration or arguments
""",
    )
    status.files.append(
        status.add_argument(
            "--config", metavar="FILE", type=Path, help="YAML file of the daemon, for its key http"
        )
    )
    status.add_argument(
        "--http", metavar="HOST:PORT", help=f"where the daemon's HTTP API is [127.0.0.1:{port}]"
    )
    status.add_argument("--once", action="store_true", help="one table, then end")
    status.add_argument("--json", action="store_true", help="all that the API says, as JSON")


def add_completion(parser: Parser, commands: "Commands[Parser]") -> None:
    """Add `completion`, which knows all commands."""
    name = parser.prog
    completion = add_command(
        parser,
        commands,
        "completion",
        what="print a script that lets a shell complete commands and flags",
        more="",
        examples=f"""\
examples:
  {name} completion bash > ~/.local/share/bash-completion/completions/{name}
  {name} completion zsh > ~/.zfunc/_{name}
        with `fpath+=~/.zfunc; autoload -Uz compinit; compinit` in ~/.zshrc
  {name} completion fish > ~/.config/fish/completions/{name}.fish
""",
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=_enumerated(SHELLS))


def print_completion(parser: Parser, shell: str) -> int:
    """Do `completion`; return the exit code."""
    import shtab

    for one in (parser, *parser.commands.values()):
        for action in one.files:
            vars(action)["complete"] = shtab.FILE
    output.write(shtab.complete(parser, shell))
    return ENDED


def accept(file: Path) -> int:
    """Say that `check` found no fault; return the exit code."""
    output.write(f"{file}: no fault found\n")
    return ENDED


def refuse(error: ConfigError) -> int:
    """Print every fault, one a line; return the exit code."""
    sys.stderr.write("".join(f"{fault}\n" for fault in error.faults))
    return BAD_CONFIG


def fail(error: output.OutputError) -> int:
    """Say why there is no output; return the exit code."""
    output.complain(str(error))
    return FAILED

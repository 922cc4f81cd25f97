"""Write the man pages of both commands: `python -m scripts.manpages FOLDER`.

The pages are made from the parsers themselves, so that neither can lag behind the other; what no
parser knows (files, signals, exit codes) comes from `packaging/man`.
"""

import argparse
import sys
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from argparse_manpage.manpage import Manpage

from clientproxy.commandline import _parser as _clientproxy
from serverproxy.commandline import _parser as _serverproxy

PARSERS = {"serverproxy": _serverproxy, "clientproxy": _clientproxy}
_MORE = Path(__file__).parents[1] / "packaging" / "man"


def page(program: str) -> str:
    """Return the man page of `serverproxy` or `clientproxy`, in roff."""
    parser = PARSERS[program]()
    data = {
        "project_name": "Stripecast",
        "version": metadata.version("stripecast"),
        "manual_title": "Stripecast",
        "prog": program,
        "description": _phrase(parser.description or ""),
    }
    manpage = Manpage(parser, format="single-commands-section", _data=data)
    for command in commands(parser):
        if command.epilog:
            manpage.add_section("examples", ">", verbatim(command.epilog))
    manpage.parse_include(str(_MORE / f"{program}.inc"))
    return str(manpage)


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of each command."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public name for it
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield from action.choices.values()


def _phrase(sentence: str) -> str:
    """Return a sentence as the section NAME wants it: no capital, no full stop."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def verbatim(epilog: str) -> str:
    r"""Return lines that roff neither fills nor reads as its own: `\&` keeps a leading dot.

    The exit codes at the end have a section of their own.
    """
    text = textwrap.dedent(epilog.partition("\nexit codes:")[0].removeprefix("examples:\n"))
    escaped = text.strip("\n").replace("\\", "\\e").replace("-", "\\-")
    lines = [f"\\&{line}" for line in escaped.splitlines()]
    return "\n".join([".PP", ".nf", *lines, ".fi", ""])


def main(folder: str) -> None:
    """Write both pages into the folder."""
    for program in PARSERS:
        (Path(folder) / f"{program}.1").write_text(page(program), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

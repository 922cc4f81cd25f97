"""Where `serverproxy` begins: with Ctrl-C, before anything that takes time is loaded."""

import sys
from collections.abc import Sequence

from common.runtime.early import end_at_once


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code."""
    end_at_once(0)

    from serverproxy import commandline

    return commandline.main(argv)


if __name__ == "__main__":
    sys.exit(main())

"""Where `clientproxy` begins: with Ctrl-C, before anything that takes time is loaded."""

import sys
from collections.abc import Sequence

from common.runtime.early import end_at_once


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    end_at_once(1 if words[:1] == ["doctor"] else 0)  # its own codes say whether all is well

    from clientproxy import commandline

    return commandline.main(argv)


if __name__ == "__main__":
    sys.exit(main())

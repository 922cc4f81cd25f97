"""How many files a daemon may have open, sockets among them."""

import contextlib

MOST_OPEN = 65_536
"""Open files that are asked for, as in the units for systemd: far above what all bounds allow."""


def allow_open_files() -> None:
    """Raise this process's own limit on open files, as far as the system lets it.

    A shell begins with 1,024, for the sake of programs that call select(2): too few for all links
    that an overlay port may have.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):  # not everywhere, not so many
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

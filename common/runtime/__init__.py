"""Sockets, clocks, tasks, configuration, logs: the only shell in `common`."""

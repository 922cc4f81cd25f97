"""The commands that are no daemon: each is a module, which `commandline` calls."""

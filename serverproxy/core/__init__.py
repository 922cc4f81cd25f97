"""Decisions of the server proxy, without I/O: trees, placement, membership."""

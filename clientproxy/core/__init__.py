"""Decisions of the client proxy, without I/O: joining, relaying, merging, playing out."""

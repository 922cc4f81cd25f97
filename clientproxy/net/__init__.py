"""Sockets of the client proxy: parents, children, players."""

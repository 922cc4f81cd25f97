"""Sockets of the server proxy: the source, the control links, the stripe links."""

"""A simulator of the real code: both daemons under a virtual clock, on a model of a network.

`loop` is the clock, `network` the hosts and what lies between them, `world` the daemons on them,
`watch` what is measured.
"""

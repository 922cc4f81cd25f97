"""A simulator of the real code: both daemons under a virtual clock, on a model of a network.

`loop` is the clock; `hosts`, `network` and `hostloop` are the hosts and what lies between them;
`daemons` and `world` the daemons on them; `survey` and `watch` what is measured; `runs` and `joins`
what can be asked for.
"""

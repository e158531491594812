"""The state of orchestrators for people: what Orchestrators or one sidecar report, and what is a problem.

`reader` and `sidecar` read; all other modules are pure. `hotpeers status`, `hotpeers history` and the
console show the results, and none of their layout is here. Nothing here decides about peers or writes
to a cluster. Every text comes from others and is cleaned when it is read.
"""

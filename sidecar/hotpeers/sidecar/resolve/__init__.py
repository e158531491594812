"""Turns a snapshot and the agent cards into a list of peers and a list of refusals with reasons.

`eligibility` decides about one candidate, `resolver` about all of them together, and `update`
about few changes since. The functions are
pure: they read no clock, file or network.

The code behind this package compares by identity, so there is a contract: **unchanged means the same
object.** An unchanged peer is the same object as in the previous resolution, and an unchanged list is
the same tuple. `cache` ensures this as long as its callers pass on the same objects too.
"""

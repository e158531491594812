"""A snapshot and the agent cards make a list of peers, and a list of refusals with reasons. Pure.

`eligibility` decides about one candidate, `resolver` about all of them together. Nothing in here
reads a clock, a file or a network.

The contract with everything behind it, which compares by identity: **unchanged means the same
object.** A peer that did not change is the object of the resolution before, and a list that did not
change is the same tuple. `cache` keeps it for as long as its callers pass the same objects on.
"""

"""Pure: a snapshot and the cards make a list of peers, and a list of refusals with reasons.

`eligibility` decides about one candidate, `resolver` about all of them together. Nothing in here
reads a clock, a file or a network.
"""

"""Reads what agent processes report: what they have live, failing calls, turns in flight.

The files are untrusted: their bounds and their format are in `hotpeers_shim.contract`.
"""

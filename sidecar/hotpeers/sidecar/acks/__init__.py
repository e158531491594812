"""Reads the reports of agent processes: their live generation, failing calls and turns in flight.

The files are untrusted. `hotpeers_shim.contract` defines their format and their size limits.
"""

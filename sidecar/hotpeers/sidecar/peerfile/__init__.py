"""Writes the peer file: atomically, by one sidecar, and only when its content changes.

The format of the file is the contract with the shim: `hotpeers_shim.contract`.
"""

"""Writes the peer file atomically, from one sidecar only, and only when its content changes.

The format of the file is part of the contract with the shim, `hotpeers_shim.contract`.
"""

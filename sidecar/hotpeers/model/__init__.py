"""Candidates and snapshots, and the views of the manifests that they are made from.

The values are frozen, and hold validated and cleaned input. This package opens no connection and does
not decide whether a peer is offered.
"""

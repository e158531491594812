"""Parses A2A agent cards of protocol 0.2 to 1.x, and the interfaces that they declare.

This package does not fetch cards; `hotpeers.sidecar.cards` does.
"""

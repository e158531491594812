"""Fetches the agent cards of peers, keeps them fresh and verifies their signatures.

`hotpeers.model.cards` parses a card. `resolve` decides what a card means for its peer.
"""

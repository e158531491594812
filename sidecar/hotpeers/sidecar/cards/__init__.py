"""Fetches the agent cards of peers, keeps them fresh and verifies their signatures.

What a card says is parsed in `hotpeers.model.cards`; what it means for a peer is decided in
`resolve`.
"""

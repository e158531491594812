"""A2A agent cards, of protocol 0.2 to 1.x: what is read of them, and the interfaces they declare.

Nothing in here fetches a card; `hotpeers.sidecar.cards` does.
"""

"""`hotpeers controller`: the injection webhook, and what one cluster needs once.

`runner` wires; what is decided about a pod is in `hotpeers.inject`.
"""

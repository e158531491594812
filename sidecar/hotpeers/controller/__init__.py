"""`hotpeers controller`: the webhooks, and the work that is done once per cluster.

`runner` composes the parts. The decisions about pods are in `hotpeers.inject`.
"""

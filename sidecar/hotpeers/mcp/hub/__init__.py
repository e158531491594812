"""`hotpeers hub`: the peer tools for many orchestrators, each known by its token.

One process watches the cluster once for all of them. Replicas share nothing but a key: any of them
continues a conversation by its token. An orchestrator sees only peers of its own namespace and of
namespaces that invite it.
"""

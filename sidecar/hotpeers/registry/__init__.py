"""agentregistry: its client, its entries, and their conversion to kagent manifests.

`hotpeers mcp` and the guard's webhooks use this package. The former offers the entries to a model; the
latter compare an agent with the template that it names. No module here writes to a server or decides
what is allowed.
"""

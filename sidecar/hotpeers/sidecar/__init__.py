"""The program `hotpeers run`: keeps the peer file of one orchestrator up to date.

    sources -> resolve -> peerfile -> (the agent) -> acks -> status

`sidecar` holds the tasks of a running sidecar, and `runner` connects it to its source. `resolve` uses
nothing from `status` or `acks`: the reports of an agent cannot change which peers it is offered.
"""

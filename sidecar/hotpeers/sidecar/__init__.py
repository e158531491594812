"""The program `hotpeers run`: keeps the peer file of one orchestrator up to date.

    sources -> resolve -> peerfile -> (the agent) -> acks -> status

`sidecar` holds the tasks of a running one, `runner` wires it to its source. Nothing in `status` or
`acks` feeds `resolve`: what an agent reports cannot change what it is offered.
"""

"""Calls of peers over A2A: clients, one call with its limits, and what its failures mean.

These modules import httpx and a2a-sdk, and nothing of an agent framework. So the shim uses them in
an agent's process, and `hotpeers mcp` and the hub use them outside of one.

- `call`: one message to one peer, until its task is over. `faults`: what exceptions mean.
- `pool`, `routes`, `transport`: HTTP clients, their credentials and proxies, limits of answers.
- `wire`, `wire0`, `wire1`, `channel`: a2a-sdk 0.3 and 1.x; gRPC.
"""

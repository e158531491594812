"""The peer tools: `ask_agent`, `list_agents` and `get_answer`, for any MCP client.

`hotpeers mcp`, the bridge in an injected pod and the hub serve these tools. The names never change
and the tools are listed also without peers, because clients freeze the names. The peers come from a
`Fleet`, and `hotpeers_shim.calls` makes the calls. Spawning is not here, and neither is Kubernetes.

- `fleet`: the peers of one orchestrator, and what their names refer to.
- `description`: what a model reads about them. `search`: their ranking by a query.
- `conversation`: the sealed token of a conversation.
- `exchange`: one message and its answer. `exchanges`: those of this process.
- `tools`: the definitions. `server`: serves them over HTTP.
"""

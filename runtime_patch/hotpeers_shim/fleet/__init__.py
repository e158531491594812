"""Many peers: their names, the texts that a model reads about them, and how it finds them.

The shim and the peer tools of `hotpeers mcp` use it. It needs nothing but the standard library and
`contract`, and knows neither an agent framework nor a protocol.

- `index`: finds the peers of one list. `names`: what a name refers to. `ranking`: ranks texts by a
  query, with SQLite's full-text search. `plainranking`: the same without it.
- `description`: what a model reads about peers.
- `arguments`: the arguments of `ask_agent` and `list_agents`, as models send them.
- `declared`: decides which peers of a large fleet are tools of their own.
- `background`: the threads that this work runs in, so that an event loop does not wait.
"""

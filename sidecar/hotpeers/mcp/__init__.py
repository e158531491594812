"""Tools over MCP: `hotpeers mcp`, the bridge of a sidecar, and `hotpeers hub`.

With the spawning tools an orchestrator finds, creates and deletes agents. With the peer tools (`peers`) it
calls its peers; `hub` offers them to many orchestrators.

No module here decides what is allowed. The API server's RBAC and admission decide, and the tools
explain their answers so that a model can act on them. Only a running server loads a module that imports
the MCP SDK, because it takes memory that other commands must not use.
"""

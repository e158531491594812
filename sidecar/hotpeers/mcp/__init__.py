"""`hotpeers mcp`: the tools by which an orchestrator finds, creates and deletes agents.

No module here decides what is allowed. The API server's RBAC and admission decide, and the tools
explain their answers so that a model can act on them. Only `server` and `tools` import the MCP SDK,
because it takes memory that other commands must not use.
"""

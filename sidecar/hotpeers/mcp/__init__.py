"""`hotpeers mcp`: the tools by which an orchestrator finds, creates and deletes agents.

Nothing in here decides what is allowed: the API server's rights and admission do, and their answer
is handed on in words that a model can act on. `server` and `tools` are the only importers of the
MCP SDK, which costs memory that no other command pays.
"""

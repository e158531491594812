"""agentregistry: asking it, reading what it holds, and what kagent makes of it.

Shared by `hotpeers mcp`, which offers this to a model, and by the guard's webhooks, which hold an
agent to the template that it names. Nothing in here writes anything or decides what is allowed.
"""

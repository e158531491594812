"""The runtime patch: the part of hotpeers that lives inside the agent's process.

It imports the standard library and nothing else; only the modules in `adapters` may touch
google.adk, kagent.adk or a2a, and only after the agent itself has imported them.
"""

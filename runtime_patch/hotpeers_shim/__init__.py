"""The runtime patch: the part of hotpeers that lives inside the agent's process.

It imports only the standard library. Only the modules in `adapters` may use google.adk, kagent.adk
or a2a, and only after the agent itself has imported them.
"""

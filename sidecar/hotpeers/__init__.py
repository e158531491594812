"""hotpeers: every process of ours that runs outside the agent.

What an agent process loads is `hotpeers_shim`, a package of its own; the two share its `contract`.
"""

__version__ = "0.1.0"

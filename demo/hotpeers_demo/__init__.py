"""The demonstration: one conversation with a real orchestrator while its peers change.

Everything here starts, calls or watches separate processes: the demonstration runs `hotpeers run` as
a user would. The product never imports this package, which is a separate wheel.
"""

"""The demonstration: one conversation with a real orchestrator while its peers change.

Everything here starts, talks to or watches separate processes: the demonstration runs
`hotpeers run` as anybody would. The product never imports this package, which is a wheel of its own.
"""

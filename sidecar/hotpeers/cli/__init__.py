"""The commands of `hotpeers`. Only this package reads settings from arguments and environment.

Each command imports its modules when it runs, because start scripts call `hotpeers shim path`, which
has to be fast.
"""

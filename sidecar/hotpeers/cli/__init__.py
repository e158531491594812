"""The commands of `hotpeers`. Nothing else parses arguments or reads the environment.

Each command imports what it needs when it runs: start scripts call `hotpeers shim path`.
"""

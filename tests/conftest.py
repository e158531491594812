"""What every test may use. Light: the agents' own environments load it too."""

pytest_plugins = ["cluster.fixtures"]

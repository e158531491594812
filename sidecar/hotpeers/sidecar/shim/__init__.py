"""Installs the shim into the agent's folder, and detects agents that run without it."""

"""Installs the shim where the agent finds it, and notices when an agent runs without it."""

"""For the hub: makes its key, and the Secret and tool server of each Orchestrator."""

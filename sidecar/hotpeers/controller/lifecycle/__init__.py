"""The leader deletes spawned agents: by TTL, with their orchestrator, or with their policy."""

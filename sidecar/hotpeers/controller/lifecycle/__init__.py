"""Ends spawned agents: by TTL, with their orchestrator, with their policy. The leader does it."""

"""Writes the status of each SpawnPolicy and of each Peer, while this replica leads, and warns of policies.

No decision reads these statuses. The status of an Orchestrator is written by its sidecars or the hub.
"""

"""Writes the status of each SpawnPolicy."""

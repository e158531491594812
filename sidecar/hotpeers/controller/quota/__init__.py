"""How many agents each SpawnPolicy has, exact over all replicas."""

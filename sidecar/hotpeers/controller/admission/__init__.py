"""The guard in a cluster: answers at admission, and what is kept right for SpawnPolicies."""

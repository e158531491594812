"""SpawnPolicy as data: its fields, and reading it from a file or an object of the cluster."""

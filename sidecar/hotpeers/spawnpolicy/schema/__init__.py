"""SpawnPolicy as data: its fields, their limits, and the images and quantities that they name.

Reading one from a file or from an object of the cluster is in `spawnpolicy.reading`.
"""

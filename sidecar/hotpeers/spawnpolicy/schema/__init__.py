"""The data model of a SpawnPolicy: fields, their limits, image references and quantities.

`spawnpolicy.reading` reads a policy from a file or from an object of the cluster.
"""

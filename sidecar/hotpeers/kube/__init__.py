"""The Kubernetes API: how to reach it, and its list and watch protocol.

This is the only package that imports the Kubernetes client. It returns plain dictionaries and raises
`KubeError`. Other packages interpret the objects.
"""

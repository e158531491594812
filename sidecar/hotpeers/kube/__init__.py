"""The Kubernetes API: how to reach it, and its list and watch protocol.

The only package that imports the Kubernetes client. What leaves it are plain dictionaries and
`KubeError`s; what an object means is for others to say.
"""

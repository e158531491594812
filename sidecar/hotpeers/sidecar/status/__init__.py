"""The state of one sidecar as a document, metrics, log lines, Kubernetes Events and a page.

Nothing that decides reads any of it.
"""

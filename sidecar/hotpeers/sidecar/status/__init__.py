"""The state of one sidecar as a document, metrics, log lines, Kubernetes Events and a page.

These modules only report: no decision depends on them.
"""

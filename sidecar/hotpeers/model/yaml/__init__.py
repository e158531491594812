"""Untrusted YAML and JSON as plain data, at a cost that its length bounds.

Nothing in here knows what a document means.
"""

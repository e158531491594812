"""Parses untrusted YAML and JSON to plain data, at a cost that is bounded by the input's length.

This package does not interpret the documents.
"""

"""Injection: computes the patch for a pod that requests it, or the reason why it is skipped.

This package is pure. The input is a pod as a dictionary; the output is the operations of a JSON patch
or a reason. No module here reads a file, the environment or the API server, or runs a server.
"""

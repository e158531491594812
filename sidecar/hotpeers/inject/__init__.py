"""Injection: what is put into a pod that asks for it, or why it cannot be.

Pure: a pod comes in as a dictionary, operations of a JSON patch or a reason go out. Nothing here
reads a file, the environment or the API server, and nothing here serves.
"""

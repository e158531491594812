"""Follows objects of an API server, whatever happens to it: list, watch, and what was last seen.

What the objects are for is not known in here.
"""

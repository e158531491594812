"""Informers: list and watch objects of an API server through its failures, and cache them.

This package does not know what the objects are used for.
"""

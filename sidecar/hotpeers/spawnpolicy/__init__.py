"""The guard decides which writes of a governed subject are allowed, and gives the reasons of a denial.

This package is pure. The input is a request, the SpawnPolicies and the facts that the controller
knows; the output is a decision. No module here reads a clock, the environment or the API server, or
runs a server.
"""

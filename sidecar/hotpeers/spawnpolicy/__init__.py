"""The guard: what a governed subject may write to the API server, or why it may not.

Pure: a request, the SpawnPolicies and what the controller knows come in; a decision goes out.
Nothing here reads a clock, the environment or the API server, and nothing here serves.
"""

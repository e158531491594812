"""Keeps an Orchestrator for each injected workload, with the right of its sidecars to write its status.

`keeper` calls the API server; the other modules are pure. Orchestrators of the hub are in
`controller.orchestrators`.
"""

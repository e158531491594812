"""Keeps an Orchestrator for each injected workload, with the right of its sidecars to write its status."""

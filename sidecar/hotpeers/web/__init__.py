"""The HTTP server of a sidecar: probes, metrics and status. It reads, and changes nothing."""

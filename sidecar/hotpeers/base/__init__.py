"""Code that the programs of hotpeers share: errors, problems, reasons, settings, logs, signals.

This package does not depend on Kubernetes, the peer file or an agent. Code belongs here only when
two programs need it.
"""

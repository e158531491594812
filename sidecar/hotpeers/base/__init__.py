"""What every program of hotpeers shares: errors, problems, reasons, settings, logs, signals.

Nothing in here knows Kubernetes, the peer file or an agent. Something belongs here once two
programs need it, and not before.
"""

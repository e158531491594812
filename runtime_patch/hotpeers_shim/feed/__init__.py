"""Follows the peer list of a hub over HTTP, and keeps it in the peer file.

For an agent without a sidecar. The file is the only way in: the reader takes it from there, and it
is the last known good list after a restart. Nothing here imports the agent framework, and all of it
is loaded only if HOTPEERS_PEERS_URL is set.
"""

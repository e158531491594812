"""The version of the contract, and how large what it carries may be."""

from __future__ import annotations

API_VERSION = "hotpeers.dev/v1"

MAX_FILE_BYTES = 8 * 1024 * 1024
"""Largest peer file that is read, in bytes."""
MAX_ACK_BYTES = 1024 * 1024
"""Largest ack file that is read, in bytes."""
MAX_PEERS = 10_000
"""Most peers in one file."""
MAX_PEER_BYTES = 64 * 1024
"""Largest single peer, in bytes of its JSON form."""
MAX_DESCRIPTION = 4096
"""Longest description of a peer or of a skill, in characters."""
MAX_NAME = 253
"""Longest name or namespace, in characters (a Kubernetes DNS subdomain)."""
MAX_TOOL_NAME = 64
"""Longest tool name, in characters. OpenAI refuses the whole request over a longer one."""
MAX_URL = 2048
"""Longest URL or path, in characters."""
MAX_SKILLS = 64
"""Most skills that a peer may list."""
MAX_TIMEOUT = 86_400.0
"""Longest timeout of a call, in seconds."""
MAX_INTERFACES = 16
"""Most interfaces that a peer may list."""
MAX_RESTARTS = 64
"""Most things that an ack names as changeable with a restart only."""

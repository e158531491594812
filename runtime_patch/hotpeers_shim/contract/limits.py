"""The version of the contract and its limits."""

from __future__ import annotations

API_VERSION = "hotpeers.dev/v1"

MAX_FILE_BYTES = 8 * 1024 * 1024
"""The largest peer file, in bytes."""
MAX_ACK_BYTES = 1024 * 1024
"""The largest ack file, in bytes."""
MAX_PEERS = 10_000
"""The largest number of peers in one file."""
MAX_PEER_BYTES = 64 * 1024
"""The largest peer, in bytes of its JSON form."""
MAX_DESCRIPTION = 4096
"""The longest description of a peer or of a skill, in characters."""
MAX_NAME = 253
"""The longest name or namespace, in characters (a Kubernetes DNS subdomain)."""
MAX_TOOL_NAME = 64
"""The longest tool name, in characters. OpenAI rejects a whole request with a longer one."""
MAX_URL = 2048
"""The longest URL or path, in characters."""
MAX_SKILLS = 64
"""The largest number of skills of a peer."""
MAX_TIMEOUT = 86_400.0
"""The longest timeout of a call, in seconds."""
MAX_INTERFACES = 16
"""The largest number of interfaces of a peer."""
MAX_RESTARTS = 64
"""The largest number of changes that need a restart, in one ack."""
DEFAULT_DEPTH = 8
"""The largest number of orchestrators in a chain of calls, unless it is configured."""
MAX_DEPTH = 32
"""The largest number that can be configured. Of a longer chain, the newest names count."""

"""The labels and annotations of a held Deployment, and of pods that are asked to reload."""

from __future__ import annotations

CONFIG_HASH = "kagent.dev/config-hash"
"""On the pod template, written by kagent (`configHashAnnotation`, 0.7 to 0.10): a decimal uint64."""
INJECT = "hotpeers.dev/inject"
HOT_CONFIG = "hotpeers.dev/hot-config"
"""Both on the pod template, "true" and one of `HOT`, if its pods apply a new configuration."""
HOT = ("true", "restart-when-idle")
"""The shim reloads the configuration; or the sidecar restarts the agent's container with it."""
HELD_LABEL = "hotpeers.dev/held"
"""On a held Deployment: "true". The controller selects held Deployments by this label."""
HELD_HASH = "hotpeers.dev/held-config-hash"
"""On a held Deployment: the hash that kagent wants."""
HELD_SINCE = "hotpeers.dev/held-since"
"""On a held Deployment: when that hash was first held, as RFC 3339."""
HELD_TEMPLATE = "hotpeers.dev/held-template-hash"
"""On a held Deployment: the hash that the template keeps. If the template has another, it was rolled."""
HELD_ANNOTATIONS = (HELD_HASH, HELD_SINCE, HELD_TEMPLATE)
POD_CONFIG = "hotpeers.dev/held-config"
"""On a pod: JSON with `hash`, `secrets` and `try`, which the shim reads."""

"""What to do about each reason for which a pod, or a part of it, is not injected."""

from __future__ import annotations

from collections.abc import Mapping

from .reasons import InjectReason

REMEDIES: Mapping[InjectReason, str] = {
    InjectReason.ANNOTATION_INVALID: "Correct the value of the annotation.",
    InjectReason.CONTAINER_NOT_FOUND: "Correct hotpeers.dev/container: it names one container of the pod.",
    InjectReason.CONTAINER_UNCLEAR: "Name the agent's container in hotpeers.dev/container.",
    InjectReason.SIDECAR_ENDLESS: (
        "Use Kubernetes 1.29 or newer, or restartPolicy Always; see --native-sidecars."
    ),
    InjectReason.NOT_PYTHON: (
        'Set hotpeers.dev/bridge: "true", and the agent gets its peers as an MCP server.'
    ),
    InjectReason.BRIDGE_ON_HOST_NETWORK: "Remove hostNetwork, or use the hub.",
    InjectReason.BRIDGE_CONFIG_NOT_FOUND: (
        "Mount the folder of config.json from a volume, as kagent does."
    ),
    InjectReason.HOT_CONFIG_NEEDS_SHIM: "Remove hotpeers.dev/hot-config, or the bridge.",
    InjectReason.HOT_CONFIG_NEEDS_BRIDGE: 'Set hotpeers.dev/hot-config: "true".',
    InjectReason.RESTART_POLICY: "Set restartPolicy Always, or remove hotpeers.dev/hot-config.",
    InjectReason.AGENT_PORT_UNKNOWN: "Declare the agent's port in its container.",
    InjectReason.LIVENESS_PROBE_TAKEN: "Remove the liveness probe of the container.",
    InjectReason.NOT_LINUX: "Run the agent on Linux, or use the hub.",
    InjectReason.PYTHON_ISOLATED: "Start Python without -I, -E and -S, or use the bridge.",
    InjectReason.PYTHON_PATH_NOT_LITERAL: (
        "Give PYTHONPATH a literal value, or leave it to the image."
    ),
    InjectReason.PYTHON_PATH_REFERENCED: "Write the value of PYTHONPATH in place of the reference.",
    InjectReason.ENVIRONMENT_TAKEN: "Remove the variable from the container.",
    InjectReason.NAME_TAKEN: "Rename this container or volume of the pod.",
    InjectReason.MOUNT_PATH_TAKEN: "Mount this volume at another path.",
    InjectReason.STATIC_POD: "Create the pod by a Deployment in place of a file of the node.",
    InjectReason.NO_SERVICE_ACCOUNT: "Set serviceAccountName in the pod.",
    InjectReason.REGISTRY_UNKNOWN: (
        "Set hotpeers.dev/registry in the pod, or registry.url in the chart (--registry-url)."
    ),
    InjectReason.HOST_NETWORK: "Remove hostNetwork, or hotpeers.dev/spawn.",
    InjectReason.DRAIN_ON_HOST_NETWORK: (
        'Remove hostNetwork, or set hotpeers.dev/drain-seconds: "0".'
    ),
    InjectReason.DRAIN_SHORTENED: (
        "Ask for a shorter drain, or raise injection.maxDrainSeconds in the chart."
    ),
    InjectReason.PRE_STOP_TAKEN: (
        'Remove the preStop hook of the container, or set hotpeers.dev/drain-seconds: "0".'
    ),
    InjectReason.HOT_CONFIG_NOT_MOUNTED: (
        "Mount the folder of config.json without subPath, from a Secret or a ConfigMap."
    ),
    InjectReason.REQUEST_INVALID: "Correct the manifest; the API server rejects it too.",
    InjectReason.INJECTION_FAILED: "Report the bug, with the manifest.",
}
"""A sentence for each reason, which says what to do."""

"""Why a pod is not injected, or what is left out of it."""

from __future__ import annotations

from ..base.reasons import Reason


class InjectReason(Reason):
    """Why a pod is not injected, or what is left out of it."""

    ANNOTATION_INVALID = "AnnotationInvalid", "An annotation of the pod has an invalid value."
    CONTAINER_NOT_FOUND = (
        "ContainerNotFound",
        "The pod has no container of the name that its annotation gives.",
    )
    CONTAINER_UNCLEAR = (
        "ContainerUnclear",
        "hotpeers cannot tell which container of the pod is the agent's.",
    )
    SIDECAR_ENDLESS = (
        "SidecarEndless",
        "Before Kubernetes 1.29, a sidecar would keep this pod from ending.",
    )
    NOT_PYTHON = "NotPython", "The agent is not a Python program, and cannot load the shim."
    BRIDGE_ON_HOST_NETWORK = (
        "BridgeOnHostNetwork",
        "The pod uses its node's network, where others could call its bridge.",
    )
    BRIDGE_CONFIG_NOT_FOUND = (
        "BridgeConfigNotFound",
        "The folder of the agent's config.json is not on a volume that the bridge could be added to.",
    )
    HOT_CONFIG_NEEDS_SHIM = (
        "HotConfigNeedsShim",
        "Only an agent that loads the shim can reload its configuration.",
    )
    HOT_CONFIG_NEEDS_BRIDGE = (
        "HotConfigNeedsBridge",
        'Only an agent with the bridge is restarted when it is idle; write "true" for one with the shim.',
    )
    RESTART_POLICY = (
        "RestartPolicyNotAlways",
        "kubelet does not restart a container whose restartPolicy is not Always.",
    )
    AGENT_PORT_UNKNOWN = (
        "AgentPortUnknown",
        "The agent's container declares no TCP port by which its turns could be counted.",
    )
    LIVENESS_PROBE_TAKEN = (
        "LivenessProbeTaken",
        "The container has a liveness probe of its own, so it is not restarted when it is idle.",
    )
    NOT_LINUX = "NotLinux", "The pod is not for Linux."
    PYTHON_ISOLATED = (
        "PythonIsolated",
        "Python is started with -I, -E or -S, and would not load the shim.",
    )
    PYTHON_PATH_NOT_LITERAL = (
        "PythonPathNotLiteral",
        "PYTHONPATH comes from elsewhere (valueFrom), and cannot be extended.",
    )
    PYTHON_PATH_REFERENCED = (
        "PythonPathReferenced",
        "The container refers to PYTHONPATH and would see an extended value.",
    )
    ENVIRONMENT_TAKEN = (
        "EnvironmentTaken",
        "The container already sets a variable that injection needs to set.",
    )
    NAME_TAKEN = (
        "NameTaken",
        "The pod already has a container or volume of a name that injection needs.",
    )
    MOUNT_PATH_TAKEN = (
        "MountPathTaken",
        "A volume mount of the container conflicts with one that injection adds.",
    )
    STATIC_POD = (
        "StaticPod",
        "The pod is a static pod: its node creates it, and webhooks cannot change it.",
    )
    NO_SERVICE_ACCOUNT = (
        "NoServiceAccount",
        "The pod has no ServiceAccount, so its sidecar cannot use the API server.",
    )
    REGISTRY_UNKNOWN = (
        "RegistryUnknown",
        "No agentregistry is configured, so there are no spawning tools.",
    )
    HOST_NETWORK = (
        "HostNetwork",
        "The pod uses its node's network, where others could call its spawning tools.",
    )
    DRAIN_ON_HOST_NETWORK = (
        "DrainOnHostNetwork",
        "The pod uses its node's network, where the sidecar opens no port, so there is no drain.",
    )
    DRAIN_SHORTENED = (
        "DrainShortened",
        "The drain is longer than the operator's maximum; the maximum is used.",
    )
    PRE_STOP_TAKEN = (
        "PreStopTaken",
        "The container has a preStop hook of its own, so there is no drain.",
    )
    HOT_CONFIG_NOT_MOUNTED = (
        "HotConfigNotMounted",
        "config.json is not on a volume that follows its source, so a change needs a restart.",
    )
    REQUEST_INVALID = (
        "RequestInvalid",
        "The admission request could not be parsed; the pod is admitted without injection.",
    )
    INJECTION_FAILED = (
        "InjectionFailed",
        "hotpeers has a bug here; the pod is admitted without injection.",
    )

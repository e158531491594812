"""Why a pod is not injected, or what is left out of it."""

from __future__ import annotations

from ..base.reasons import Reason


class InjectReason(Reason):
    """Why a pod is not injected, or what is left out of it."""

    ANNOTATION_INVALID = (
        "AnnotationInvalid",
        "An annotation of the pod has a value that is not allowed.",
    )
    CONTAINER_NOT_FOUND = (
        "ContainerNotFound",
        "The pod has no container of the name that its annotation gives.",
    )
    CONTAINER_UNCLEAR = (
        "ContainerUnclear",
        "Which container of the pod is the agent's cannot be told.",
    )
    SIDECAR_ENDLESS = (
        "SidecarEndless",
        "Before Kubernetes 1.29, a sidecar would keep this pod from ending.",
    )
    NOT_PYTHON = "NotPython", "The agent is not a Python program, and cannot load the shim."
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
        "The container refers to PYTHONPATH, and would see what is added to it.",
    )
    ENVIRONMENT_TAKEN = (
        "EnvironmentTaken",
        "The container sets a variable that would be set by the injection.",
    )
    NAME_TAKEN = (
        "NameTaken",
        "The pod has a container or volume with a name that would be injected.",
    )
    MOUNT_PATH_TAKEN = (
        "MountPathTaken",
        "A mount of the container leaves no place for one of those injected.",
    )
    STATIC_POD = (
        "StaticPod",
        "The pod is a static one, which is made by its node and cannot be changed.",
    )
    NO_SERVICE_ACCOUNT = (
        "NoServiceAccount",
        "The pod has no ServiceAccount, and its sidecar could not ask the API server.",
    )
    REGISTRY_UNKNOWN = (
        "RegistryUnknown",
        "No agentregistry is known, so that there are no tools for spawning.",
    )
    HOST_NETWORK = (
        "HostNetwork",
        "On the network of its node others could call the pod's tools for spawning.",
    )
    DRAIN_ON_HOST_NETWORK = (
        "DrainOnHostNetwork",
        "On the network of its node the sidecar has no port, and turns are not waited for.",
    )
    DRAIN_SHORTENED = (
        "DrainShortened",
        "The operator allows no longer drain; turns are waited for as long as that.",
    )
    PRE_STOP_TAKEN = (
        "PreStopTaken",
        "The container has a preStop hook of its own, and turns are not waited for.",
    )
    HOT_CONFIG_NOT_MOUNTED = (
        "HotConfigNotMounted",
        "No volume that follows its source holds config.json, and changes of it take a restart.",
    )
    REQUEST_INVALID = (
        "RequestInvalid",
        "The admission request was not understood; the pod is admitted as it is.",
    )
    INJECTION_FAILED = "InjectionFailed", "A fault of hotpeers; the pod is admitted as it is."

"""The volumes that are injected into a pod, and their mounts."""

from __future__ import annotations

from .outcome import Json

SHIM_VOLUME, PEERS_VOLUME, ACKS_VOLUME = "hotpeers-shim", "hotpeers-peers", "hotpeers-acks"
TOKEN_VOLUME = "hotpeers-token"  # noqa: S105 - the name of a volume
KEYS_VOLUME = "hotpeers-card-keys"
SHIM_FOLDER = "/opt/hotpeers"
PEERS_FOLDER = "/var/run/hotpeers/peers"
ACKS_FOLDER = "/var/run/hotpeers/acks"
KEYS_FOLDER = "/var/run/secrets/hotpeers.dev/card-keys"
PEER_FILE = f"{PEERS_FOLDER}/peers.json"
CREDENTIALS_VOLUME = "hotpeers-credentials"
"""The Secret of `hotpeers.dev/credentials`. Only the sidecar mounts it."""
CREDENTIALS_FOLDER = "/var/run/hotpeers/credentials"
CREDENTIALS_FILE = f"{CREDENTIALS_FOLDER}/credentials.yaml"

_TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder
# Prefix of the volume that Kubernetes adds (plugin/pkg/admission/serviceaccount). Kubernetes mounts a
# volume with this prefix into every container that has no token yet.
_KUBERNETES_TOKEN = "kube-api-access-"  # noqa: S105 - the name of a volume
_TOKEN_SECONDS = 3607


def volumes(*, shim: bool = True) -> list[Json]:
    """The volumes that every injected pod gets; the first one only if its agent loads the shim."""
    return [
        *([{"name": SHIM_VOLUME, "emptyDir": {"sizeLimit": "16Mi"}}] if shim else []),
        # Space for two peer files of maximum size: the old one, and the new one before its rename.
        {"name": PEERS_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "160Mi"}},
        {"name": ACKS_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]


def keys_volume(wanted: str) -> Json:
    """The volume with the keys that verify signed cards, from `NAME` or `kind/NAME`.

    The pod starts even if the object does not exist yet. No peer is offered until it exists.
    """
    kind, _, name = wanted.rpartition("/")
    if kind == "configmap":
        return {"name": KEYS_VOLUME, "configMap": {"name": name, "optional": True}}
    return {"name": KEYS_VOLUME, "secret": {"secretName": name, "optional": True}}


def credentials_volume(secret: str) -> Json:
    """The volume of a Secret. The pod starts without the Secret, which may be created later."""
    return {"name": CREDENTIALS_VOLUME, "secret": {"secretName": secret, "optional": True}}


def agent_mounts() -> list[Json]:
    """The mounts of the agent's container. Only the folder of acks is writable."""
    return [
        {"name": SHIM_VOLUME, "mountPath": SHIM_FOLDER, "readOnly": True},
        {"name": PEERS_VOLUME, "mountPath": PEERS_FOLDER, "readOnly": True},
        {"name": ACKS_VOLUME, "mountPath": ACKS_FOLDER},
    ]


def has_identity(pod: Json) -> bool:
    """Whether the pod can have a token. Kubernetes rejects a token volume without a ServiceAccount."""
    return bool(pod["spec"].get("serviceAccountName")) or token_volume(pod)[1] is None


def token_volume(pod: Json) -> tuple[str, Json | None]:
    """The volume with the token of the pod's ServiceAccount, and its definition if it is missing.

    If the pod disables automatic mounting of the token, only injected containers mount the volume.
    """
    for volume in pod["spec"].get("volumes") or []:
        if volume["name"].startswith(_KUBERNETES_TOKEN):
            return volume["name"], None
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]
            }
        },
    ]
    return TOKEN_VOLUME, {"name": TOKEN_VOLUME, "projected": {"sources": sources}}


def token_mount(volume: str) -> Json:
    """The mount of the token in each injected container. `volume` is the name from `token_volume`."""
    return {"name": volume, "mountPath": _TOKEN_FOLDER, "readOnly": True}

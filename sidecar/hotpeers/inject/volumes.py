"""The volumes that are put into a pod, and where they are mounted."""

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
"""The Secret of `hotpeers.dev/credentials`; the sidecar alone mounts it."""
CREDENTIALS_FOLDER = "/var/run/hotpeers/credentials"
CREDENTIALS_FILE = f"{CREDENTIALS_FOLDER}/credentials.yaml"

_TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder
# The volume that Kubernetes itself adds (plugin/pkg/admission/serviceaccount): one with the prefix
# is mounted by it into every container that has no token yet.
_KUBERNETES_TOKEN = "kube-api-access-"  # noqa: S105 - the name of a volume
_TOKEN_SECONDS = 3607


def volumes() -> list[Json]:
    """The volumes that every injected pod gets."""
    return [
        {"name": SHIM_VOLUME, "emptyDir": {"sizeLimit": "16Mi"}},
        # Twice the largest peer file fits: the old one and the new one, until it is renamed.
        {"name": PEERS_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "160Mi"}},
        {"name": ACKS_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ]


def keys_volume(wanted: str) -> Json:
    """The volume with the keys that cards must be signed with, of `NAME` or `kind/NAME`.

    What is not there yet keeps no pod from starting: nothing is offered until it is.
    """
    kind, _, name = wanted.rpartition("/")
    if kind == "configmap":
        return {"name": KEYS_VOLUME, "configMap": {"name": name, "optional": True}}
    return {"name": KEYS_VOLUME, "secret": {"secretName": name, "optional": True}}


def credentials_volume(secret: str) -> Json:
    """The volume of a Secret; without the Secret the pod starts all the same, and it may come later."""
    return {"name": CREDENTIALS_VOLUME, "secret": {"secretName": secret, "optional": True}}


def agent_mounts() -> list[Json]:
    """What the agent's container mounts; only its acks can be written by it."""
    return [
        {"name": SHIM_VOLUME, "mountPath": SHIM_FOLDER, "readOnly": True},
        {"name": PEERS_VOLUME, "mountPath": PEERS_FOLDER, "readOnly": True},
        {"name": ACKS_VOLUME, "mountPath": ACKS_FOLDER},
    ]


def has_identity(pod: Json) -> bool:
    """Whether there can be a token: where Kubernetes names no ServiceAccount it refuses a volume."""
    return bool(pod["spec"].get("serviceAccountName")) or token_volume(pod)[1] is None


def token_volume(pod: Json) -> tuple[str, Json | None]:
    """The volume with the token of the pod's ServiceAccount, and its definition if it is missing.

    Where the pod keeps the token from its containers, it stays so: only ours mounts the one added.
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
    """Where each of our containers finds the token, the volume being that of `token_volume`."""
    return {"name": volume, "mountPath": _TOKEN_FOLDER, "readOnly": True}

"""Fields of kagent's Agent (v0.10.0-rc3 and its main branch) that no policy can allow, with reasons.

A field that is not listed here and has no rule is denied as unknown. For a field that is listed, the
denial explains to the author of the manifest what the field would do.
"""

from __future__ import annotations

_POD = "it changes what the pod may reach on its node"
_PLACE = "it chooses the node that the pod runs on"
_SECRET = "it reads a Secret or ConfigMap, which need not be the subject's"  # noqa: S105 - no secret
_CARD = "it reaches the agent card, which others' models and people read"

FORBIDDEN: dict[str, str] = {
    # of the Agent's pod
    "serviceAccountName": "the agent would run with the rights of another account",
    "serviceAccountConfig": "labels and annotations of a ServiceAccount can give it rights",
    "volumes": _POD,
    "volumeMounts": _POD,
    "podSecurityContext": _POD,
    "securityContext": _POD,
    "extraContainers": "a further container is not checked by the policy",
    "initContainer": "variables and resources of the skills' container are not checked by the policy",
    "imagePullSecrets": _SECRET,
    "imageRegistry": "the agent's image would come from another registry",
    "envFrom": _SECRET,
    "valueFrom": _SECRET,
    "cmd": "it replaces the program of the image",
    "args": "it changes what the program of the image does",
    "workingDir": "it changes what the program of the image reads",
    "tolerations": _PLACE,
    "affinity": _PLACE,
    "nodeSelector": _PLACE,
    "topologySpreadConstraints": _PLACE,
    "deploymentAnnotations": "annotations of a Deployment steer other controllers",
    "hostNetwork": _POD,
    "hostPID": _POD,
    "hostIPC": _POD,
    "hostAliases": _POD,
    "runtimeClassName": _POD,
    "claims": "devices are not checked by the policy",
    # of the agent
    "executeCodeBlocks": "the agent would run code that its model writes, in a privileged container",
    "iconUrl": _CARD,
    "documentationUrl": _CARD,
    "provider": _CARD,
    "memory": "what it remembers outlives the agent",
    "shareTools": "the agent could hand out links to its sessions",
    "systemMessageFrom": _SECRET,
    "promptTemplate": "a template reads ConfigMaps, and its result is not checked by the policy",
    "headersFrom": _SECRET,
    "sandbox": "it opens the network of sandboxed code",
    "insecureSkipVerify": "skills would be fetched without verifying who sends them",
    "gitAuthSecretRef": _SECRET,
    # of the object
    "status": "only kagent writes a status",
    "selfLink": "only the API server writes it",
    "deletionTimestamp": "only the API server writes it",
    "deletionGracePeriodSeconds": "only the API server writes it",
    "finalizers": "it could keep the agent from being deleted",
    "ownerReferences": "only the guard says who owns a spawned agent",
}

_BY_HAND = "leave it out, or let a person create the agent"
REMEDIES: dict[str, str] = {
    "promptTemplate": "leave it out, and write what it includes into systemMessage",
    "systemMessageFrom": "leave it out, and write the text into systemMessage",
    "memory": _BY_HAND,
    "tolerations": _BY_HAND,
    "affinity": _BY_HAND,
    "nodeSelector": _BY_HAND,
    "imagePullSecrets": "leave it out, and let an operator add it to the ServiceAccounts or to kagent",
    "serviceAccountConfig": "leave it out, and let an operator bind roles to the agent's own account",
    "envFrom": "leave it out, and name variables with literal values in env",
    "valueFrom": "leave it out, and give a literal value",
    "cmd": "leave it out, and build an image with that command",
    "args": "leave it out, and build an image with those arguments",
}
"""Remedies other than to leave a field out."""

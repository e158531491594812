"""Objects of others, for hostile requests to aim at."""

from __future__ import annotations

from kit.apiserver.client import Api, Object

_LABELS = {"app": "victim"}
_POD: Object = {"containers": [{"name": "c", "image": "i"}]}
_TEMPLATE: Object = {"metadata": {"labels": _LABELS}, "spec": _POD}
_SELECTOR: Object = {"matchLabels": _LABELS}
_BATCH: Object = {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}
_BODIES: dict[tuple[str, str], Object] = {
    ("v1", "Pod"): {"spec": _POD},
    ("v1", "Service"): {"metadata": {"name": "pod"}, "spec": {"ports": [{"port": 80}]}},
    ("v1", "Secret"): {},
    ("v1", "ConfigMap"): {},
    ("v1", "Node"): {},
    ("v1", "PodTemplate"): {"template": _TEMPLATE},
    ("v1", "ReplicationController"): {"spec": {"selector": _LABELS, "template": _TEMPLATE}},
    ("v1", "ResourceQuota"): {"spec": {"hard": {"pods": "99"}}},
    ("v1", "LimitRange"): {"spec": {"limits": []}},
    ("v1", "PersistentVolumeClaim"): {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
    },
    ("v1", "PersistentVolume"): {
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": "/x"},
        }
    },
    ("v1", "Endpoints"): {},
    ("apps/v1", "Deployment"): {"spec": {"selector": _SELECTOR, "template": _TEMPLATE}},
    ("apps/v1", "ReplicaSet"): {"spec": {"selector": _SELECTOR, "template": _TEMPLATE}},
    ("apps/v1", "DaemonSet"): {"spec": {"selector": _SELECTOR, "template": _TEMPLATE}},
    ("apps/v1", "StatefulSet"): {
        "spec": {"selector": _SELECTOR, "template": _TEMPLATE, "serviceName": "pod"}
    },
    ("batch/v1", "Job"): {"spec": _BATCH},
    ("batch/v1", "CronJob"): {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": _BATCH}}},
    ("autoscaling/v2", "HorizontalPodAutoscaler"): {
        "spec": {
            "maxReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "deployment"},
        }
    },
    ("policy/v1", "PodDisruptionBudget"): {"spec": {"selector": _SELECTOR}},
    ("networking.k8s.io/v1", "NetworkPolicy"): {"spec": {"podSelector": {}}},
    ("networking.k8s.io/v1", "Ingress"): {
        "spec": {"defaultBackend": {"service": {"name": "pod", "port": {"number": 80}}}}
    },
    ("networking.k8s.io/v1", "IngressClass"): {"spec": {"controller": "example.com/any"}},
    ("coordination.k8s.io/v1", "Lease"): {},
    ("discovery.k8s.io/v1", "EndpointSlice"): {"addressType": "IPv4", "endpoints": []},
    ("rbac.authorization.k8s.io/v1", "Role"): {},
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    },
    ("storage.k8s.io/v1", "StorageClass"): {"provisioner": "example.com/any"},
    ("hotpeers.dev/v1alpha1", "Peer"): {"spec": {"url": "http://peer:8080"}},
    ("kagent.dev/v1alpha2", "ModelConfig"): {},
    ("kagent.dev/v1alpha2", "RemoteMCPServer"): {},
}
_CLUSTER = {"Node", "PersistentVolume", "IngressClass", "StorageClass"}


def targets() -> list[Object]:
    """One of each kind that needs nobody else, named as its kind."""
    found = []
    for (version, kind), body in _BODIES.items():
        metadata = {"name": kind.lower(), **body.get("metadata", {})}
        if kind not in _CLUSTER:
            metadata["namespace"] = "team"
        found.append({**body, "apiVersion": version, "kind": kind, "metadata": metadata})
    return found


def set_up(api: Api) -> None:
    """Create them all."""
    for one in targets():
        api.create(one)

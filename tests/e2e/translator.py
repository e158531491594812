"""Translates an Agent as kagent's controller does: Secret, ServiceAccount, Service and Deployment.

Read in v0.10.0-rc3 (`translator/agent/{compiler,deployments,manifest_builder}.go` and the golden files
beside them), and compared with what that controller made of the same Agents at a real API server.
Everything comes from the Agent itself, whoever wrote it; owners, labels, names, probes, arguments,
volumes and the hash of the configuration are kagent's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e2e.configuration import HASH, configure
from e2e.site import PORT, Site
from e2e.skills import FOLDER, IMAGE, KEY, MOUNT, config_map_name, has_skills
from kit.apiserver.client import Object
from kit.node.images import KAGENT

_TOKEN = {"audience": "kagent", "expirationSeconds": 3600, "path": "kagent-token"}
_DEFAULT_RESOURCES = {
    "requests": {"cpu": "100m", "memory": "384Mi"},
    "limits": {"cpu": "2000m", "memory": "1Gi"},
}


def translate(agent: Object, site: Site) -> list[Object]:
    """The objects of an Agent that the API server has taken, the Deployment last."""
    return _Translation(agent, site).objects()


class _Translation:
    def __init__(self, agent: Object, site: Site) -> None:
        self._site = site
        self._agent = agent
        self._metadata = agent["metadata"]
        self._name = str(self._metadata["name"])
        self._namespace = str(self._metadata["namespace"])
        self._spec = agent["spec"]
        self._byo = self._spec.get("type") == "BYO"
        self._own = self._spec["byo" if self._byo else "declarative"]
        self._deployment = self._own.get("deployment") or {}
        self._configuration = configure(agent, site)

    def objects(self) -> list[Object]:
        made = [self._object("v1", "Secret", stringData=self._configuration.files)]
        if self._account == self._name:
            made.append(self._object("v1", "ServiceAccount"))
        if has_skills(self._spec):
            made.append(self._skills_sources())
        made += [self._service(), self._workload()]
        owner = {
            "apiVersion": self._agent["apiVersion"],
            "kind": "Agent",
            "name": self._name,
            "uid": self._metadata["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        for one in made:
            one["metadata"]["ownerReferences"] = [owner]
        return made

    @property
    def _account(self) -> str:
        return str(self._deployment.get("serviceAccountName") or self._name)

    @property
    def _selector(self) -> dict[str, str]:
        return {"app": "kagent", "kagent": self._name}

    @property
    def _labels(self) -> dict[str, str]:
        usual = {
            "app.kubernetes.io/managed-by": "kagent",
            "app.kubernetes.io/name": self._name,
            "app.kubernetes.io/part-of": "kagent",
        }
        return {**self._selector, **usual, **(self._deployment.get("labels") or {})}

    def _object(self, version: str, kind: str, **content: Any) -> Object:
        metadata = {"name": self._name, "namespace": self._namespace, "labels": self._labels}
        if annotations := self._metadata.get("annotations"):
            metadata["annotations"] = dict(annotations)
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}

    def _skills_sources(self) -> Object:
        made = self._object("v1", "ConfigMap", data={KEY: self._configuration.skills})
        name = config_map_name(self._name)
        made["metadata"] = {"name": name, "namespace": self._namespace}
        return made

    def _service(self) -> Object:
        port = {"name": "http", "port": PORT, "targetPort": PORT}
        if self._byo or self._own.get("a2aConfig"):
            port["appProtocol"] = "kgateway.dev/a2a"
        spec = {"type": "ClusterIP", "selector": self._selector, "ports": [port]}
        return self._object("v1", "Service", spec=spec)

    def _workload(self) -> Object:
        own = self._deployment.get("annotations") or {}
        annotations = {**own, HASH: self._configuration.hash}
        template = {
            "metadata": {"annotations": annotations, "labels": self._labels},
            "spec": self._pod(),
        }
        strategy = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }
        spec = {"selector": {"matchLabels": self._selector}, "strategy": strategy}
        if "replicas" in self._deployment:
            spec["replicas"] = self._deployment["replicas"]
        return self._object("apps/v1", "Deployment", spec={**spec, "template": template})

    def _pod(self) -> Object:
        token = {"sources": [{"serviceAccountToken": _TOKEN}]}
        spec = {
            "serviceAccountName": self._account,
            "containers": [self._container()],
            "volumes": [
                {"name": "config", "secret": {"secretName": self._name}},
                *self._skills_volumes(),
                {"name": "kagent-token", "projected": token},
            ],
        }
        if has_skills(self._spec):
            spec["initContainers"] = [self._skills_container()]
        return _with(spec, self._deployment, podSecurityContext="securityContext")

    def _skills_volumes(self) -> list[Object]:
        if not has_skills(self._spec):
            return []
        folder = {"name": "kagent-skills", "emptyDir": {}}
        sources = {"name": config_map_name(self._name)}
        return [folder, {"name": "skills-init-config", "configMap": sources}]

    def _skills_container(self) -> Object:
        mounts = [
            {"name": "kagent-skills", "mountPath": FOLDER},
            {"name": "skills-init-config", "mountPath": MOUNT, "readOnly": True},
        ]
        container = {
            "name": "skills-init",
            "image": IMAGE,
            "resources": _DEFAULT_RESOURCES,
            "volumeMounts": mounts,
        }
        return _with(container, self._deployment, securityContext="securityContext")

    def _security_context(self) -> Object:
        """Privileged where it runs code, unless the Agent says that no privileges are to be gained."""
        given = self._deployment.get("securityContext")
        runs_code = has_skills(self._spec) or self._own.get("executeCodeBlocks")
        if runs_code and (given or {}).get("allowPrivilegeEscalation") is not False:
            return {"securityContext": {**(given or {}), "privileged": True}}
        return {} if given is None else {"securityContext": given}

    def _container(self) -> Object:
        namespace = {"fieldRef": {"fieldPath": "metadata.namespace"}}
        env = [
            *(self._deployment.get("env") or []),
            *self._configuration.env,
            {"name": "KAGENT_NAMESPACE", "valueFrom": namespace},
            {"name": "KAGENT_NAME", "value": self._name},
            {"name": "KAGENT_URL", "value": "http://kagent-controller.kagent:8083"},
        ]
        skills: list[Object] = []
        if has_skills(self._spec):
            env.append({"name": "KAGENT_SKILLS_FOLDER", "value": FOLDER})
            skills = [{"name": "kagent-skills", "mountPath": FOLDER, "readOnly": True}]
        if self._configuration.is_sandboxed:
            env.append({"name": "KAGENT_SRT_SETTINGS_PATH", "value": "/config/srt-settings.json"})
        arguments = ["--host", "0.0.0.0", "--port", str(PORT), "--filepath", "/config"]
        container = {
            "name": "kagent",
            "image": self._deployment["image"] if self._byo else KAGENT,
            "imagePullPolicy": self._deployment.get("imagePullPolicy") or "IfNotPresent",
            "args": self._deployment.get("args") or [] if self._byo else arguments,
            "env": env,
            "ports": [{"name": "http", "containerPort": PORT}],
            "resources": self._deployment.get("resources") or _DEFAULT_RESOURCES,
            "readinessProbe": dict(self._site.probe),
            "volumeMounts": [
                {"name": "config", "mountPath": "/config"},
                *skills,
                {"name": "kagent-token", "mountPath": "/var/run/secrets/tokens"},
            ],
        }
        return {**container, **self._security_context()}


def _with(target: Object, source: Mapping[str, Any], **renamed: str) -> Object:
    """The target with these fields of the source, as far as it has them, under new names."""
    return {**target, **{new: source[old] for old, new in renamed.items() if old in source}}

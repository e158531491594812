"""What kagent's controller makes of an Agent: Secret, ServiceAccount, Service and Deployment.

Read in v0.10.0-rc3 (`translator/agent/{compiler,deployments,manifest_builder}.go` and the golden files
beside them), and compared with what that controller made of the same Agents at a real API server.
Everything comes from the Agent itself, whoever wrote it; owners, labels, names, probes, arguments and
volumes are kagent's own. Only the key of the model is a word here, and there that of a Secret.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cluster.client import Object
from node.images import KAGENT

PORT = 8080
KAGENT_PROBE = {
    "httpGet": {"path": "/.well-known/agent-card.json", "port": "http"},
    "initialDelaySeconds": 15,
    "periodSeconds": 15,
    "timeoutSeconds": 15,
}
QUICK_PROBE = {**KAGENT_PROBE, "initialDelaySeconds": 0, "periodSeconds": 1}
_TOKEN = {"audience": "kagent", "expirationSeconds": 3600, "path": "kagent-token"}
_DEFAULT_RESOURCES = {
    "requests": {"cpu": "100m", "memory": "384Mi"},
    "limits": {"cpu": "2000m", "memory": "1Gi"},
}
SKILLS_INIT = "ghcr.io/kagent-dev/kagent/skills-init:0.10.0"
_SKILLS_CONFIG = "/etc/kagent/skills-init"
_SKILLS_ENV = {
    "KAGENT_SKILLS_FOLDER": "/skills",
    "KAGENT_SRT_SETTINGS_PATH": "/config/srt-settings.json",
}
_API = {"api_format": "chatCompletions"}
_DEFAULT_MODEL = "default-model-config"


class TranslationError(Exception):
    """An Agent that kagent would not run, or that nothing here can stand in for."""


@dataclass(frozen=True)
class Site:
    """What an Agent refers to: ModelConfigs by name, as base URLs of an OpenAI API."""

    models: Mapping[str, str] = field(default_factory=dict)
    probe: Mapping[str, Any] = field(default_factory=lambda: KAGENT_PROBE)
    """kagent's own; `QUICK_PROBE` where nothing is measured."""


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

    def objects(self) -> list[Object]:
        secret = self._secret()
        text = json.dumps(secret["stringData"], sort_keys=True)
        config_hash = str(int(hashlib.sha256(text.encode()).hexdigest()[:16], 16))
        made = [secret]
        if self._account == self._name:
            made.append(self._object("v1", "ServiceAccount"))
        made += [self._service(), self._workload(config_hash)]
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

    def _secret(self) -> Object:
        data = {
            "config.json": json.dumps(self._config()),
            "agent-card.json": json.dumps(self._card()),
        }
        return self._object("v1", "Secret", stringData=data)

    def _config(self) -> Object:
        description = self._spec.get("description", "")
        if self._byo:
            return {"model": None, "description": description, "instruction": ""}
        runtime = self._own.get("runtime") or "python"
        if runtime != "python":
            raise TranslationError(f"there is no image of the runtime {runtime} here")
        if self._own.get("tools"):
            raise TranslationError("tools are not translated here")
        if not self._own.get("systemMessage"):
            raise TranslationError("at least one system message source must be specified")
        model = self._own.get("modelConfig") or _DEFAULT_MODEL
        if model not in self._site.models:
            raise TranslationError(f'ModelConfig "{model}" not found')
        url = self._site.models[model]
        return {
            "model": {"type": "openai", "model": "scripted", "base_url": url, **_API},
            "description": description,
            "instruction": self._own["systemMessage"],
            "stream": False,
        }

    def _card(self) -> Object:
        url = f"http://{self._name}.{self._namespace}:{PORT}"
        return {
            "name": self._name.replace("-", "_"),
            "description": self._spec.get("description", ""),
            "url": url,
            "supportedInterfaces": [
                {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version}
                for version in ("0.3", "1.0")
            ],
            "version": "",
            "protocolVersion": "0.3",
            "preferredTransport": "JSONRPC",
            "capabilities": {"streaming": True},
            "defaultInputModes": ["text"],
            "defaultOutputModes": ["text"],
            "skills": [],
        }

    def _service(self) -> Object:
        port = {"name": "http", "port": PORT, "targetPort": PORT}
        if self._byo:
            port["appProtocol"] = "kgateway.dev/a2a"
        spec = {"type": "ClusterIP", "selector": self._selector, "ports": [port]}
        return self._object("v1", "Service", spec=spec)

    def _workload(self, config_hash: str) -> Object:
        annotations = {
            **(self._deployment.get("annotations") or {}),
            "kagent.dev/config-hash": config_hash,
        }
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
        if self._has_skills:
            spec["initContainers"] = [self._skills_container()]
        return _with(spec, self._deployment, podSecurityContext="securityContext")

    @property
    def _has_skills(self) -> bool:
        skills = self._spec.get("skills") or {}
        return any(skills.get(key) for key in ("refs", "gitRefs", "s3Refs"))

    def _skills_volumes(self) -> list[Object]:
        if not self._has_skills:
            return []
        folder = {"name": "kagent-skills", "emptyDir": {}}
        sources = {"name": f"{self._name}-skills-init"}
        return [folder, {"name": "skills-init-config", "configMap": sources}]

    def _skills_container(self) -> Object:
        mounts = [
            {"name": "kagent-skills", "mountPath": "/skills"},
            {"name": "skills-init-config", "mountPath": _SKILLS_CONFIG, "readOnly": True},
        ]
        container = {
            "name": "skills-init",
            "image": SKILLS_INIT,
            "resources": _DEFAULT_RESOURCES,
            "volumeMounts": mounts,
        }
        return _with(container, self._deployment, securityContext="securityContext")

    def _security_context(self) -> Object:
        """Privileged for skills, unless the Agent says that no privileges are to be gained."""
        given = self._deployment.get("securityContext")
        if self._has_skills and (given or {}).get("allowPrivilegeEscalation") is not False:
            return {"securityContext": {**(given or {}), "privileged": True}}
        return {} if given is None else {"securityContext": given}

    def _container(self) -> Object:
        namespace = {"fieldRef": {"fieldPath": "metadata.namespace"}}
        # Of the model's Secret, where there is a model.
        key = [] if self._byo else [{"name": "OPENAI_API_KEY", "value": "none-is-needed"}]
        env = [
            *(self._deployment.get("env") or []),
            *key,
            {"name": "KAGENT_NAMESPACE", "valueFrom": namespace},
            {"name": "KAGENT_NAME", "value": self._name},
            {"name": "KAGENT_URL", "value": "http://kagent-controller.kagent:8083"},
        ]
        skills: list[Object] = []
        if self._has_skills:
            env += [{"name": name, "value": value} for name, value in _SKILLS_ENV.items()]
            skills = [{"name": "kagent-skills", "mountPath": "/skills", "readOnly": True}]
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

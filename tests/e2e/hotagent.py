"""An orchestrator whose definition changes as it runs: its Agent, ModelConfigs, tools and sub-agents."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from e2e.configuration import HASH, config_hash
from e2e.crew import INJECT
from e2e.kagent import Agent, sub_agent
from e2e.pods import Pod, list_pods
from e2e.stage import Stage
from e2e.watchful_model import Seen, WatchfulModel
from kit.apiserver.client import Object
from kit.waiting import until

HOT = {**INJECT, "hotpeers.dev/hot-config": "true"}
_VERSION = "kagent.dev/v1alpha2"
_KEY = {"key": "bm9uZS1pcy1uZWVkZWQ="}
_MODELS = ("one", "two")
_SECONDS = 90.0


@dataclass
class HotAgent:
    """One orchestrator, and its current definition."""

    stage: Stage
    model: WatchfulModel
    tools_url: str
    annotations: dict[str, str] = field(default_factory=lambda: dict(HOT))
    replicas: int = 1
    number: int = 0
    config: str = _MODELS[0]
    words: tuple[str, ...] = ("define",)
    others: tuple[str, ...] = ("weather",)
    stream: bool = False

    @property
    def agent(self) -> Agent:
        return self.stage.agent("lead", annotations=self.annotations)

    def _object(self, kind: str, name: str, **content: Any) -> Object:
        version = "v1" if kind == "Secret" else _VERSION
        metadata = {"name": name, "namespace": self.stage.namespace}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}

    def declarative(self) -> Object:
        """The part of the Agent that changes."""
        server = {"kind": "RemoteMCPServer", "apiGroup": "kagent.dev", "name": "words"}
        tools = [
            {"type": "McpServer", "mcpServer": {**server, "toolNames": list(self.words)}},
            *({"type": "Agent", "agent": {"name": one}} for one in self.others),
        ]
        message = f"You are number {self.number}."
        own = {"systemMessage": message, "modelConfig": self.config, "tools": tools}
        return {**own, "stream": self.stream}

    def create(self) -> None:
        """Create all of it, and wait until its pods are ready."""
        api = self.stage.api
        api.create(self._object("Secret", "model-key", data=_KEY))
        for name in _MODELS:
            spec = {
                "provider": "OpenAI",
                "model": f"model-{name}",
                "apiKeySecret": "model-key",
                "apiKeySecretKey": "key",
                "openAI": {"baseUrl": self.model.url},
            }
            model = api.create(self._object("ModelConfig", name, spec=spec))
            # Until kagent's controller has written it, it is not in the hash of an Agent, which would
            # roll once it is.
            until("the secretHash of the ModelConfig", partial(self._has_hash, model), _SECONDS)
        server = {"description": "Words", "url": self.tools_url, "protocol": "STREAMABLE_HTTP"}
        api.create(self._object("RemoteMCPServer", "words", spec=server))
        for name in ("weather", "news"):
            api.create(sub_agent(self.stage.namespace, name, f"Of {name}.").manifest)
        manifest = self.agent.manifest
        manifest["spec"]["declarative"] |= self.declarative()
        if self.replicas > 1:
            manifest["spec"]["declarative"]["deployment"]["replicas"] = self.replicas
        api.create(manifest)
        until("all pods of the agent", self._all_ready, _SECONDS)
        self.stage.wait_until_served(self.agent)

    def change(self, number: int) -> float:
        """Change one thing after the other: instruction, model, tools, sub-agents; when it was."""
        kind = number % 4
        if kind == 0:
            self.number = number
        elif kind == 1:
            self.config = _MODELS[1 - _MODELS.index(self.config)]
        elif kind == 2:
            self.words = ("define",) if len(self.words) > 1 else ("define", "rhyme")
        else:
            self.others = ("weather",) if len(self.others) > 1 else ("weather", "news")
        return self.write()

    def write(self) -> float:
        """Write the definition as it is now; when it was."""
        began = time.time()
        self.stage.api.patch(self.agent.manifest, {"spec": {"declarative": self.declarative()}})
        return began

    def rotate_key(self) -> None:
        """Write another key into the Secret of its models."""
        secret = self._object("Secret", "model-key", stringData={"key": "another"})
        self.stage.api.patch(secret, {"stringData": secret["stringData"]})

    def is_shown(self, seen: Seen) -> bool:
        """Whether a request to the model was made with the definition as it is now."""
        names = {one for one in seen.tools if "__NS__" in one} | (
            set(seen.tools) & {"define", "rhyme"}
        )
        place = self.stage.namespace.replace("-", "_")
        wanted = {*self.words, *(f"{place}__NS__{one}" for one in self.others)}
        found = (seen.model, seen.number, names)
        return found == (f"model-{self.config}", self.number, wanted)

    def write_config(self, config: str) -> None:
        """Write config.json, then the hash of the configuration, as kagent's controller would."""
        read = self.stage.api.read
        secret = self._object("Secret", self.agent.name)
        files = {name: b64decode(one).decode() for name, one in read(secret)["data"].items()}
        model = read(self._object("ModelConfig", self.config))
        digest = bytes.fromhex(model["status"]["secretHash"])
        self.stage.api.patch(secret, {"stringData": {"config.json": config}})
        hashed = config_hash({**files, "config.json": config}, digest)
        template = {"metadata": {"annotations": {HASH: hashed}}}
        self.stage.api.patch(self.deployment(), {"spec": {"template": template}})

    def wait_until_live(self, began: float, seconds: float = _SECONDS) -> float:
        """Wait for the first request with the definition as it is now; how long it took."""

        def first() -> float | None:
            asked = list(self.model.seen)
            return next(
                (one.time for one in asked if one.time > began and self.is_shown(one)), None
            )

        return until(f"{self.declarative()} to be live", first, seconds) - began

    # -- state

    def deployment(self) -> Object:
        return self.stage.api.read(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": self.agent.manifest["metadata"],
            }
        )

    def revision(self) -> str:
        return str(
            self.deployment()["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        )

    def is_held(self) -> bool:
        return self.deployment()["metadata"]["labels"].get("hotpeers.dev/held") == "true"

    def owes(self) -> bool:
        """Whether it is held with another hash than its template has."""
        template = self.deployment()["spec"]["template"]["metadata"]["annotations"][HASH]
        return self.wanted() not in ("", template)

    def wanted(self) -> str:
        """The hash that it is held for, "" where it is not held."""
        annotations = self.deployment()["metadata"]["annotations"]
        return str(annotations.get("hotpeers.dev/held-config-hash", ""))

    def owed_for(self) -> float:
        """For how many seconds it has been held with that hash; 0 if it is not held."""
        if not self.owes():
            return 0.0
        since = self.deployment()["metadata"]["annotations"]["hotpeers.dev/held-since"]
        return time.time() - datetime.fromisoformat(since).timestamp()

    def told(self) -> list[str]:
        """The Events of the Agent and its Deployment, as a person reads them."""
        found = self.stage.api.list("v1", "Event", self.stage.namespace)["items"]
        about = [one for one in found if one["involvedObject"].get("name") == self.agent.name]
        return [f"{one['reason']}: {one['message']}" for one in about]

    def has_told(self, words: str) -> bool:
        """Whether an Event that is not about the hold itself has these words."""
        return any(words in one for one in self.told() if "ConfigurationHeld" not in one)

    def pods(self) -> list[Pod]:
        found = list_pods(self.stage.api, self.stage.namespace, self.agent.selector)
        return [one for one in found if not one.is_ending]

    def wait(self, what: str, holds: Callable[[], bool], seconds: float = _SECONDS) -> None:
        until(what, holds, seconds)

    def is_settled(self) -> bool:
        """Whether all of its pods are of the newest template, and ready."""
        found = self.deployment()
        status, generation = found["status"], found["metadata"]["generation"]
        counts = {
            status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")
        }
        return status.get("observedGeneration") == generation and counts == {self.replicas}

    def _has_hash(self, model: Object) -> bool:
        return bool(self.stage.api.read(model).get("status", {}).get("secretHash"))

    def _all_ready(self) -> bool:
        pods = self.pods()
        return len(pods) == self.replicas and all(one.is_ready for one in pods)

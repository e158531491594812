"""ModelConfigs as kagent's controller reads them: model, environment, and the hash of their Secrets.

Read in v0.10.0-rc3: `translateModel` in translator/agent/adk_api_translator.go, and
`computeStatusSecretHash` in reconciler/reconciler.go.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from e2e.gojson import filled, given
from e2e.site import Site, TranslationError
from kit.apiserver.client import Object

DEFAULT = "default-model-config"
_OPENAI = "openai"


@dataclass(frozen=True)
class Model:
    """One model as in config.json, with the variables and the Secret hash that its pods need."""

    config: dict[str, Any]
    env: list[Object] = field(default_factory=list)
    secret_hash: bytes = b""
    """`status.secretHash`, decoded: of the Secrets that the ModelConfig names."""

    @property
    def embedding(self) -> dict[str, Any]:
        """The same as config.json has it for memory."""
        names = filled(base_url=self.config["base_url"])
        return {"provider": _OPENAI, "model": self.config["model"], **names}


def find_model(site: Site, namespace: str, name: str) -> Model:
    """The ModelConfig of that name; one that is a name only has no Secrets and no hash."""
    if ("ModelConfig", namespace, name) not in site.objects and name in site.models:
        url = {"base_url": site.models[name], "api_format": "chatCompletions"}
        key = {"name": "OPENAI_API_KEY", "value": "none-is-needed"}
        return Model({"type": _OPENAI, "model": "scripted", **url}, [key])
    found = site.find("ModelConfig", namespace, name)
    spec = found["spec"]
    if spec.get("provider", "OpenAI") != "OpenAI":
        raise TranslationError(f"no model of {spec['provider']} is translated here")
    if spec.get("tls") or (spec.get("openAI") or {}).get("tokenExchange"):
        raise TranslationError("TLS settings and token exchange of a model are not translated here")
    digest = found.get("status", {}).get("secretHash", "")
    return Model(_openai(spec), _environment(spec), bytes.fromhex(digest))


def _openai(spec: Object) -> dict[str, Any]:
    own = spec.get("openAI") or {}
    base = {
        "type": _OPENAI,
        "model": spec["model"],
        **filled(
            headers=dict(sorted((spec.get("defaultHeaders") or {}).items())),
            api_key_passthrough=spec.get("apiKeyPassthrough"),
        ),
        "base_url": own.get("baseUrl", ""),
    }
    return {
        **base,
        **given(frequency_penalty=_number(own, "frequencyPenalty")),
        **filled(max_tokens=own.get("maxTokens")),
        **filled(max_completion_tokens=own.get("maxCompletionTokens")),
        **given(
            n=own.get("n"),
            presence_penalty=_number(own, "presencePenalty"),
            reasoning_effort=own.get("reasoningEffort"),
            seed=own.get("seed"),
            temperature=_number(own, "temperature"),
            timeout=own.get("timeout"),
            top_p=_number(own, "topP"),
        ),
        **filled(api_format=own.get("apiFormat")),
    }


def _number(own: Object, key: str) -> float | None:
    return float(own[key]) if own.get(key) else None


def _environment(spec: Object) -> list[Object]:
    if spec.get("apiKeyPassthrough") or not spec.get("apiKeySecret"):
        return []
    key = {"name": spec["apiKeySecret"], "key": spec["apiKeySecretKey"]}
    return [{"name": "OPENAI_API_KEY", "valueFrom": {"secretKeyRef": key}}]


def secret_hash(secrets: Iterable[Object]) -> str:
    """kagent's `status.secretHash`; without Secrets it is the hash of no bytes."""

    def place(secret: Object) -> str:
        return f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"

    hashed = hashlib.sha256()
    for secret in sorted(secrets, key=place):
        hashed.update(place(secret).encode())
        for key, value in sorted((secret.get("data") or {}).items()):
            hashed.update(key.encode() + b64decode(value))
    return hashed.hexdigest()

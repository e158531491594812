"""An Agent's configuration as kagent's controller writes it: the Secret's files, and their hash.

Read in v0.10.0-rc3: translator/agent/{compiler,manifest_builder,adk_api_translator}.go. The hash has the
same formula from v0.7 on; `tests/standin` compares it with kagent's own golden files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from e2e.gojson import encode, encode_indented, filled, given
from e2e.models import DEFAULT, find_model
from e2e.site import PORT, Site, TranslationError
from e2e.skills import skills_config
from e2e.tools import translate_tools
from kit.apiserver.client import Object

HASH = "kagent.dev/config-hash"
_CONFIG, _CARD, _SANDBOX = "config.json", "agent-card.json", "srt-settings.json"


def config_hash(files: Mapping[str, str], secrets: bytes = b"", skills: str = "") -> str:
    """kagent's hash of a configuration (`computeConfigHash`).

    `files` are those of the Secret, `secrets` the hashes of the Secrets that ModelConfigs and MCP servers
    name, `skills` what the init container reads.
    """
    parts = [files[_CONFIG].encode(), files[_CARD].encode(), secrets]
    parts += [files.get(_SANDBOX, "").encode(), skills.encode()]
    return str(int.from_bytes(hashlib.sha256(b"".join(parts)).digest()[:8], "big"))


@dataclass(frozen=True)
class Configuration:
    """The files that an Agent's pods read, and their environment."""

    files: dict[str, str]
    env: list[Object]
    secrets: bytes
    skills: str

    @property
    def hash(self) -> str:
        """The value of the annotation `HASH`."""
        return config_hash(self.files, self.secrets, self.skills)

    @property
    def is_sandboxed(self) -> bool:
        """Whether code that the agent runs has settings of its own."""
        return _SANDBOX in self.files


def configure(agent: Object, site: Site) -> Configuration:
    """The configuration of an Agent; `TranslationError` if it has none."""
    spec = agent["spec"]
    is_byo = spec.get("type") == "BYO"
    compiled = _Compiled({}, [], b"") if is_byo else _compile(agent, site)
    description = spec.get("description", "")
    if is_byo:
        compiled.config.update(model=None, description=description, instruction="")
    files = {_CONFIG: encode(compiled.config), _CARD: encode_indented(_card(agent))}
    if _needs_sandbox(spec):
        files[_SANDBOX] = encode(_sandbox(spec))
    return Configuration(files, compiled.env, compiled.secrets, skills_config(spec))


@dataclass
class _Compiled:
    config: dict[str, Any]
    env: list[Object]
    secrets: bytes

    def add_env(self, env: list[Object]) -> None:
        known = {one["name"] for one in self.env}
        self.env += [one for one in env if one["name"] not in known]


def _compile(agent: Object, site: Site) -> _Compiled:
    """config.json of a declarative Agent (`translateInlineAgent`)."""
    spec, own = agent["spec"], agent["spec"]["declarative"]
    namespace, name = agent["metadata"]["namespace"], agent["metadata"]["name"]
    runtime = own.get("runtime") or "python"
    if runtime != "python":
        raise TranslationError(f"there is no image of the runtime {runtime} here")
    if own.get("promptTemplate"):
        raise TranslationError("templates of system messages are not translated here")
    if not own.get("systemMessage"):
        raise TranslationError("at least one system message source must be specified")
    model = find_model(site, namespace, own.get("modelConfig") or DEFAULT)
    made = _Compiled({}, list(model.env), model.secret_hash)
    context = _context(made, namespace, own, model.config, site)
    memory = _memory(made, namespace, own, site)
    tools = translate_tools(own.get("tools") or [], namespace, name, site)
    made.secrets += tools.secret_hash
    domains = ((spec.get("sandbox") or {}).get("network") or {}).get("allowedDomains")
    network = "network" in (spec.get("sandbox") or {})
    made.config = {
        "model": model.config,
        "description": spec.get("description", ""),
        "instruction": own["systemMessage"],
        **tools.config,
        **given(execute_code=own.get("executeCodeBlocks")),
        "stream": bool(own.get("stream")),
        **given(
            memory=memory,
            network=filled(allowed_domains=domains) if network else None,
            context_config=context,
        ),
        **filled(share_tools=own.get("shareTools")),
    }
    return made


def _context(
    made: _Compiled, namespace: str, own: Object, model: Object, site: Site
) -> Object | None:
    if own.get("context") is None:
        return None
    compaction = own["context"].get("compaction")
    if compaction is None:
        return {}
    summarizer = compaction.get("summarizer")
    other = (summarizer or {}).get("modelConfig")
    if other and other != own.get("modelConfig"):
        found = find_model(site, namespace, other)
        made.add_env(found.env)
        made.secrets += found.secret_hash
        model = found.config
    settings = {
        **given(
            compaction_interval=compaction.get("compactionInterval"),
            overlap_size=compaction.get("overlapSize"),
            summarizer_model=None if summarizer is None else model,
        ),
        **filled(prompt_template=(summarizer or {}).get("promptTemplate")),
        **given(
            token_threshold=compaction.get("tokenThreshold"),
            event_retention_size=compaction.get("eventRetentionSize"),
        ),
    }
    return {"compaction": settings}


def _memory(made: _Compiled, namespace: str, own: Object, site: Site) -> Object | None:
    memory = own.get("memory")
    if memory is None:
        return None
    found = find_model(site, namespace, memory["modelConfig"])
    made.add_env(found.env)
    if memory["modelConfig"] != own.get("modelConfig"):
        made.secrets += found.secret_hash
    return {**filled(ttl_days=memory.get("ttlDays")), "embedding": found.embedding}


def _card(agent: Object) -> Object:
    name, namespace = agent["metadata"]["name"], agent["metadata"]["namespace"]
    url = f"http://{name}.{namespace}:{PORT}"
    return {
        "defaultInputModes": ["text"],
        "defaultOutputModes": ["text"],
        "description": agent["spec"].get("description", ""),
        "name": name.replace("-", "_"),
        "version": agent["spec"].get("version", ""),
        "skills": [_card_skill(one) for one in _card_skills(agent["spec"])],
        "capabilities": {"streaming": True},
        "supportedInterfaces": [
            {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version}
            for version in ("0.3", "1.0")
        ],
        "url": url,
        "protocolVersion": "0.3",
        "preferredTransport": "JSONRPC",
    }


def _card_skills(spec: Object) -> list[Object]:
    return ((spec.get("declarative") or {}).get("a2aConfig") or {}).get("skills") or []


def _card_skill(skill: Object) -> Object:
    return {
        "description": skill.get("description", ""),
        **filled(examples=skill.get("examples")),
        "id": skill.get("id", ""),
        **filled(inputModes=skill.get("inputModes")),
        "name": skill["name"],
        **filled(outputModes=skill.get("outputModes")),
        "tags": skill.get("tags"),
    }


def _needs_sandbox(spec: Object) -> bool:
    if spec.get("type") == "BYO":
        return spec.get("sandbox") is not None
    return spec.get("skills") is not None or bool(spec["declarative"].get("executeCodeBlocks"))


def _sandbox(spec: Object) -> Object:
    network = (spec.get("sandbox") or {}).get("network") or {}
    return {
        "filesystem": {"allowWrite": [".", "/tmp"], "denyRead": [], "denyWrite": []},
        "network": {"allowedDomains": network.get("allowedDomains") or [], "deniedDomains": []},
    }

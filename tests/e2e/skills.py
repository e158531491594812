"""The skills configuration that kagent's init container reads, and how pods get it.

Read in v0.10.0-rc3: `prepareSkillsInitConfig` in translator/agent/adk_api_translator.go and
skillsinit/config.go. The text is a part of the hash of a configuration.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from e2e.gojson import encode, filled
from e2e.site import TranslationError
from kit.apiserver.client import Object

FOLDER = "/skills"
MOUNT = "/etc/kagent/skills-init"
KEY = "config.json"
IMAGE = "ghcr.io/kagent-dev/kagent/skills-init:0.10.0"
_COMMIT = re.compile(r"[0-9a-fA-F]{40}")
_ARCHIVE = re.compile(r"\.(tar\.gz|tgz|zip)$", re.IGNORECASE)


def has_skills(spec: Object) -> bool:
    """Whether pods of the Agent get an init container that fetches skills."""
    skills = spec.get("skills") or {}
    return any(skills.get(key) for key in ("refs", "gitRefs", "s3Refs"))


def config_map_name(agent: str) -> str:
    """The name of the ConfigMap with `skills_config`."""
    return f"{agent}-skills-init"


def skills_config(spec: Object) -> str:
    """The JSON that the init container reads; "" where there are no skills.

    `TranslationError` for skills whose sources ask for credentials.
    """
    if not has_skills(spec):
        return ""
    skills = spec["skills"]
    if skills.get("gitAuthSecretRef") or skills.get("imagePullSecrets"):
        raise TranslationError("the Secrets of skills are not translated here")
    return encode(
        filled(
            gitRefs=[_git(one) for one in skills.get("gitRefs") or []],
            ociRefs=[_image(one) for one in skills.get("refs") or []],
            insecureOci=skills.get("insecureSkipVerify"),
            s3Refs=[_bucket(one) for one in skills.get("s3Refs") or []],
        )
    )


def _git(ref: Object) -> Object:
    path = (ref.get("path") or "").strip().strip("/")
    name = ref.get("name") or (path or urlsplit(ref["url"]).path.removesuffix(".git"))
    revision = ref.get("ref") or "main"
    where = {"url": ref["url"], "ref": revision, "dest": f"{FOLDER}/{name.split('/')[-1]}"}
    subpath = (ref.get("path") or "").removesuffix("/")
    return {**where, **filled(full=bool(_COMMIT.fullmatch(revision)), subPath=subpath)}


def _image(ref: str) -> Object:
    name = ref.split("@", maxsplit=1)[0].rsplit("/", maxsplit=1)[-1].split(":", maxsplit=1)[0]
    return {"image": ref, "dest": f"{FOLDER}/{name}"}


def _bucket(ref: Object) -> Object:
    name = ref.get("name") or _ARCHIVE.sub("", ref["uri"].rstrip("/").split("/")[-1])
    return {"uri": ref["uri"], "dest": f"{FOLDER}/{name}", **filled(region=ref.get("region"))}

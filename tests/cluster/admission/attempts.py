"""Hostile requests that need a real API server: odd verbs, paths and bodies."""

from __future__ import annotations

import base64
import json
from typing import Any

from cluster.admission.outcome import APPLY, JSON, MERGE, PATCH, YAML, Attempt, By
from kit.apiserver.client import Object
from kit.spawning import declarative, edited

AGENTS = "/apis/kagent.dev/v1alpha2/namespaces/team/agents"
OLDER = "/apis/kagent.dev/v1alpha1/namespaces/team/agents"
OWN, HUMANS, LEAD = f"{AGENTS}/worker-a", f"{AGENTS}/worker-human", f"{AGENTS}/lead"
CORE = "/api/v1/namespaces/team"
EVIL = edited(declarative("worker-evil"), ("spec.declarative.executeCodeBlocks", True))
HARMLESS = declarative("worker-evil")
STRATEGIC = "application/strategic-merge-patch+json"
_STAMP = "/metadata/annotations/hotpeers.dev~1"
_OWNER = {"apiVersion": "v1", "kind": "Secret", "name": "any", "uid": "any"}


def attempts() -> dict[str, Attempt]:
    """Attempts by a name that says what each tries. The subject owns `worker-a`; `pod` is a pod."""
    return {
        **_patches(),
        **_applies(),
        **_deletions(),
        **_bodies(),
        **_elsewhere(),
        **_connections(),
        **_names(),
        **_guises(),
        **_own_events(),
    }


def _patches() -> dict[str, Attempt]:
    merges: dict[str, Object] = {
        "an owner": {"metadata": {"ownerReferences": [_OWNER]}},
        "a finalizer": {"metadata": {"finalizers": ["example.com/stay"]}},
        "kagent's finalizer": {"metadata": {"finalizers": ["kagent.dev/finalizer"]}},
        "foreground deletion": {"metadata": {"finalizers": ["foregroundDeletion"]}},
        "a label": {"metadata": {"labels": {"app": "payments"}}},
        "no longer a peer": {"metadata": {"labels": {"hotpeers.dev/peer": "false"}}},
        "no longer spawned": {"metadata": {"labels": {"hotpeers.dev/spawned": "no"}}},
        "depth": {"metadata": {"annotations": {"hotpeers.dev/depth": "0"}}},
        "expiry": {
            "metadata": {"annotations": {"hotpeers.dev/expires-at": "2999-01-01T00:00:00Z"}}
        },
        "no expiry": {"metadata": {"annotations": {"hotpeers.dev/expires-at": ""}}},
        "spawner": {"metadata": {"annotations": {"hotpeers.dev/spawned-by": "team/root"}}},
        "policy": {"metadata": {"annotations": {"hotpeers.dev/policy": "team/other"}}},
        "time to live": {"metadata": {"annotations": {"hotpeers.dev/ttl": "1h"}}},
        "a template": {"metadata": {"annotations": {"hotpeers.dev/template": "agent:lead"}}},
        "code": {"spec": {"declarative": {"executeCodeBlocks": True}}},
        "memory": {"spec": {"declarative": {"memory": {"modelConfig": "small"}}}},
        "a model": {"spec": {"declarative": {"modelConfig": "huge"}}},
        "an unknown field": {"spec": {"declarative": {"unheard": 1}}},
        "no spec": {"spec": None},
        "an account": {"spec": {"declarative": {"deployment": {"serviceAccountName": "lead"}}}},
        "privilege": {
            "spec": {"declarative": {"deployment": {"securityContext": {"privileged": True}}}}
        },
        "escalation": {
            "spec": {
                "declarative": {
                    "deployment": {"securityContext": {"allowPrivilegeEscalation": True}}
                }
            }
        },
        "another kind": {"spec": {"type": "BYO", "byo": {"deployment": {"image": "evil"}}}},
        "everybody": {"spec": {"allowedNamespaces": {"from": "All"}}},
        "a status": {"status": {"observedGeneration": 3}},
    }
    found = {
        f"merge patch: {name}": Attempt("PATCH", OWN, body, MERGE) for name, body in merges.items()
    }
    found |= {
        f"merge patch of the status: {name}": Attempt("PATCH", f"{OWN}/status", body, MERGE)
        for name, body in merges.items()
    }
    steps: dict[str, list[Object]] = {
        "depth": [{"op": "replace", "path": f"{_STAMP}depth", "value": "0"}],
        "policy": [{"op": "replace", "path": f"{_STAMP}policy", "value": "team/other"}],
        "uid of the spawner": [{"op": "add", "path": f"{_STAMP}spawned-by-uid", "value": "x"}],
        "moved stamp": [
            {"op": "move", "from": f"{_STAMP}expires-at", "path": f"{_STAMP}depth"},
        ],
        "copied stamp": [
            {"op": "copy", "from": f"{_STAMP}spawned-by", "path": f"{_STAMP}policy"},
        ],
        "whole spec": [{"op": "replace", "path": "/spec", "value": EVIL["spec"]}],
        "no spec": [{"op": "remove", "path": "/spec"}],
        "whole annotations": [
            {"op": "replace", "path": "/metadata/annotations", "value": {"evil.dev/a": "b"}}
        ],
        "whole labels": [{"op": "replace", "path": "/metadata/labels", "value": {"app": "x"}}],
        "finalizers": [{"op": "add", "path": "/metadata/finalizers", "value": ["a.b/c"]}],
        "owners": [{"op": "add", "path": "/metadata/ownerReferences/-", "value": _OWNER}],
        "code": [{"op": "add", "path": "/spec/declarative/executeCodeBlocks", "value": True}],
        "test and code": [
            {"op": "test", "path": "/spec/type", "value": "Declarative"},
            {"op": "add", "path": "/spec/declarative/executeCodeBlocks", "value": True},
        ],
    }
    found |= {
        f"JSON patch: {name}": Attempt("PATCH", OWN, body, PATCH) for name, body in steps.items()
    }
    found["JSON patch: name"] = Attempt(
        "PATCH",
        OWN,
        [{"op": "replace", "path": "/metadata/name", "value": "lead"}],
        PATCH,
        by=By.SERVER,
    )
    found["strategic patch"] = Attempt("PATCH", OWN, merges["code"], STRATEGIC, by=By.SERVER)
    found |= {
        f"dry patch: {name}": Attempt("PATCH", f"{OWN}?dryRun=All", body, MERGE)
        for name, body in merges.items()
    }
    found |= {
        f"{kind} of {whose}": Attempt("PATCH", path, merges["code"], MERGE)
        for whose, path in {"a human's": HUMANS, "itself": LEAD}.items()
        for kind in ("merge patch",)
    }
    found |= {
        f"harmless patch of {whose}": Attempt("PATCH", path, {"spec": {"description": "x"}}, MERGE)
        for whose, path in {"a human's": HUMANS, "itself": LEAD}.items()
    }
    return found


def _applies() -> dict[str, Attempt]:
    found: dict[str, Attempt] = {}
    managers = ("lead", "kagent", "hotpeers-controller", "kubectl", "before-first-apply")
    for manager in managers:
        query = f"?fieldManager={manager}&force=true"
        own = {**EVIL, "metadata": {"name": "worker-a", "namespace": "team"}}
        taken = edited(declarative("worker-a"), ('metadata.annotations["hotpeers.dev/depth"]', "0"))
        stays = edited(declarative("worker-a"), ("metadata.finalizers", ["a.b/c"]))
        owned = edited(declarative("worker-a"), ("metadata.ownerReferences", [_OWNER]))
        bodies = {
            "a new one": (f"{AGENTS}/worker-evil", EVIL),
            "its own": (OWN, own),
            "depth": (OWN, taken),
            "a finalizer": (OWN, stays),
            "an owner": (OWN, owned),
            "a human's": (HUMANS, declarative("worker-human")),
            "itself": (LEAD, declarative("lead")),
            "a stamp on a new one": (
                f"{AGENTS}/worker-evil",
                edited(HARMLESS, ('metadata.labels["hotpeers.dev/spawned"]', "true")),
            ),
        }
        for name, (path, body) in bodies.items():
            found[f"apply as {manager}: {name}"] = Attempt("PATCH", path + query, body, APPLY)
        found[f"dry apply as {manager}"] = Attempt(
            "PATCH", f"{AGENTS}/worker-evil{query}&dryRun=All", EVIL, APPLY
        )
        status = {**declarative("worker-a"), "status": {"observedGeneration": 1}}
        found[f"apply as {manager}: the status"] = Attempt(
            "PATCH", f"{OWN}/status{query}", status, APPLY
        )
    found["apply in CBOR"] = Attempt(
        "PATCH", f"{OWN}?fieldManager=x", b"\xa0", "application/apply-patch+cbor", by=By.SERVER
    )
    return found


def _deletions() -> dict[str, Attempt]:
    options: dict[str, Object] = {
        "plainly": {},
        "dry": {"dryRun": ["All"]},
        "with its dependents": {"propagationPolicy": "Foreground"},
        "and orphans": {"propagationPolicy": "Orphan"},
        "at once": {"gracePeriodSeconds": 0},
        "ignoring what is stored": {"ignoreStoreReadErrorWithClusterBreakingPotential": True},
    }
    found = {}
    for how, body in options.items():
        whole = {"kind": "DeleteOptions", "apiVersion": "v1", **body}
        for whose, path in {"a human's": HUMANS, "itself": LEAD}.items():
            found[f"delete {whose} {how}"] = Attempt("DELETE", path, whole)
    lasting: dict[str, tuple[str, Object]] = {
        "its own and orphans": (OWN, {"propagationPolicy": "Orphan"}),
        "its own and orphans, the older way": (OWN, {"orphanDependents": True}),
        "its own and orphans, by the query": (f"{OWN}?propagationPolicy=Orphan", {}),
        "its own and orphans, by the older query": (f"{OWN}?orphanDependents=true", {}),
        "its own and orphans, by the older version": (
            f"{OLDER}/worker-a",
            {"propagationPolicy": "Orphan"},
        ),
    }
    for name, (path, body) in lasting.items():
        whole = {"kind": "DeleteOptions", "apiVersion": "v1", **body} if body else None
        found[f"delete {name}"] = Attempt("DELETE", path, whole)
    found["delete a human's by the older version"] = Attempt("DELETE", f"{OLDER}/worker-human")
    found["delete its own by the older version"] = Attempt("DELETE", f"{OLDER}/worker-a")
    found["delete a human's, dry by the query"] = Attempt("DELETE", f"{HUMANS}?dryRun=All")
    for query in ("", "?labelSelector=hotpeers.dev/spawned=true", "?dryRun=All", "?limit=1"):
        found[f"delete all agents {query}"] = Attempt("DELETE", f"{AGENTS}{query}")
        found[f"delete all agents {query}, older version"] = Attempt("DELETE", f"{OLDER}{query}")
    field = "fieldSelector=metadata.name=worker-a"
    found["delete its own as a collection"] = Attempt("DELETE", f"{AGENTS}?{field}")
    return found


def _bodies() -> dict[str, Attempt]:
    text = json.dumps(HARMLESS)
    spec = json.dumps(EVIL["spec"])
    twice = f'{text[:-1]}, "spec": {spec}}}'.encode()
    meta = json.dumps({**HARMLESS["metadata"], "finalizers": ["a.b/c"]})
    again = f'{text[:-1]}, "metadata": {meta}}}'.encode()
    cased = f'{text[:-1]}, "Spec": {spec}}}'.encode()
    head = (
        "apiVersion: kagent.dev/v1alpha2\nkind: Agent\n"
        "metadata: {name: worker-evil, namespace: team}\n"
    )
    yamls = {
        "plain": "spec: {type: Declarative, declarative: {executeCodeBlocks: true}}",
        "yes": "spec: {type: Declarative, declarative: {modelConfig: small, executeCodeBlocks: yes}}",
        "anchor": (
            "x: &a {executeCodeBlocks: true, modelConfig: small, runtime: python}\n"
            "spec: {type: Declarative, declarative: *a}"
        ),
        "merge": (
            "x: &a {executeCodeBlocks: true}\n"
            "spec: {type: Declarative, declarative: {<<: *a, modelConfig: small, runtime: python}}"
        ),
        "tag": (
            "spec: {type: Declarative, declarative: {modelConfig: small, runtime: python, "
            "systemMessage: !!binary 4oCL4oCL}}"
        ),
        "explicit key": "? spec\n: {type: Declarative, declarative: {executeCodeBlocks: true}}",
        "escapes": '"\\x73pec": {type: Declarative, declarative: {"executeCode\\u0042locks": true}}',
        "octal": (
            "spec: {type: Declarative, declarative: "
            "{modelConfig: small, runtime: python, deployment: {replicas: 0777}}}"
        ),
        "comment": (
            "spec: {type: Declarative, declarative: {executeCodeBlocks: true #}\n , runtime: python}}"
        ),
        "next line": 'spec:\n  type: Declarative\n  declarative:\n    runtime: "py\\\n      thon2"',
    }
    found = {
        f"YAML: {name}": Attempt("POST", AGENTS, f"{head}{body}\n".encode(), YAML)
        for name, body in yamls.items()
    }
    for level in ("Ignore", "Warn"):
        found |= {
            f"spec twice, {level}": Attempt("POST", f"{AGENTS}?fieldValidation={level}", twice),
            f"metadata twice, {level}": Attempt("POST", f"{AGENTS}?fieldValidation={level}", again),
            f"unknown field, {level}": Attempt(
                "POST",
                f"{AGENTS}?fieldValidation={level}",
                edited(HARMLESS, ("spec.declarative.unheard", 1)),
            ),
            f"YAML: spec twice, {level}": Attempt(
                "POST",
                f"{AGENTS}?fieldValidation={level}",
                f"{head}spec: {json.dumps(HARMLESS['spec'])}\nspec: {spec}\n".encode(),
                YAML,
            ),
        }
    strict = f"{AGENTS}?fieldValidation=Strict"
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{after}: &{after} [{','.join(f'*{before}' for _ in range(9))}]\n"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    prompt = "spec.declarative.systemMessage"
    deep: Any = 1
    for _ in range(200):
        deep = {"a": deep}
    half = edited(HARMLESS, (prompt, "a" * 1_500_000))
    found |= {
        "spec twice, Strict": Attempt("POST", strict, twice, by=By.SERVER),
        "the other case, Strict": Attempt("POST", strict, cased, by=By.SERVER),
        "YAML: a bomb": Attempt(
            "POST", AGENTS, f"{bomb}{head}spec: *i\n".encode(), YAML, by=By.SERVER
        ),
        "YAML: two documents": Attempt(
            "POST",
            AGENTS,
            f"{head}spec: {spec}\n---\n{head}spec: {json.dumps(HARMLESS['spec'])}\n".encode(),
            YAML,
        ),
        "huge prompt": Attempt("POST", AGENTS, half),
        "huge prompt, update": Attempt(
            "PATCH", OWN, {"spec": {"declarative": {"systemMessage": "a" * 1_500_000}}}, MERGE
        ),
        "huge prompt of wide letters": Attempt(
            "POST", AGENTS, edited(HARMLESS, (prompt, "\u0001" * 450_000))
        ),
        "huge annotations": Attempt(
            "POST",
            AGENTS,
            edited(HARMLESS, ('metadata.annotations["example.com/note"]', "a" * 10**6)),
        ),
        "too huge": Attempt(
            "POST", AGENTS, edited(HARMLESS, (prompt, "a" * 3_200_000)), by=By.SERVER
        ),
        "many keys": Attempt(
            "POST", AGENTS, edited(HARMLESS, ("spec.x", {f"k{i}": i for i in range(60_000)}))
        ),
        "deep": Attempt("POST", AGENTS, edited(HARMLESS, ("spec.x", deep))),
        "a list": Attempt(
            "POST",
            AGENTS,
            {"apiVersion": "v1", "kind": "List", "items": [EVIL]},
            by=By.SERVER,
        ),
        "a list of agents": Attempt(
            "POST",
            AGENTS,
            {"apiVersion": "kagent.dev/v1alpha2", "kind": "AgentList", "items": [EVIL]},
        ),
        "another kind at its address": Attempt("POST", AGENTS, {**EVIL, "kind": "ModelConfig"}),
        "CBOR": Attempt("POST", AGENTS, b"\xd9\xd9\xf7\xa0", "application/cbor", by=By.SERVER),
        "protobuf of an agent": Attempt(
            "POST",
            AGENTS,
            _protobuf("kagent.dev/v1alpha2", "Agent", b""),
            "application/vnd.kubernetes.protobuf",
            by=By.SERVER,
        ),
        "protobuf of a ConfigMap": Attempt(
            "POST",
            f"{CORE}/configmaps",
            _protobuf("v1", "ConfigMap", _field(1, _field(1, b"evil"))),
            "application/vnd.kubernetes.protobuf",
        ),
        "byte order": Attempt("POST", AGENTS, json.dumps(EVIL).encode("utf-16"), by=By.SERVER),
        "no UTF-8": Attempt(
            "POST",
            AGENTS,
            text.replace("worker-evil", "worker-\udc80").encode(errors="surrogateescape"),
        ),
        "not a number": Attempt(
            "POST", AGENTS, text.replace('"small"', "NaN").encode(), by=By.SERVER
        ),
        "content type of text": Attempt("POST", AGENTS, EVIL, "text/plain", by=By.SERVER),
        "content type with more": Attempt("POST", AGENTS, EVIL, f"{JSON}; charset=utf-7"),
        "encoded": Attempt(
            "POST",
            AGENTS,
            base64.b64decode("H4sIAAAAAAACA6uuBQBDv6ajAgAAAA=="),
            headers={"Content-Encoding": "gzip"},
            by=By.SERVER,
        ),
    }
    return found


def _protobuf(version: str, kind: str, raw: bytes) -> bytes:
    types = _field(1, version.encode()) + _field(2, kind.encode())
    return b"k8s\0" + _field(1, types) + _field(2, raw)


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def _elsewhere() -> dict[str, Attempt]:
    spaces = ("kagent", "kube-system", "default", "hotpeers-system", "kube-public")
    found = {
        f"agent in {space}": Attempt(
            "POST",
            AGENTS.replace("/team/", f"/{space}/"),
            edited(declarative("worker-evil"), ("metadata.namespace", space)),
        )
        for space in spaces
    }
    return found | {
        "agent in no namespace": Attempt(
            "POST", "/apis/kagent.dev/v1alpha2/agents", HARMLESS, by=By.SERVER
        ),
        "agent in another than its address": Attempt(
            "POST", AGENTS, edited(HARMLESS, ("metadata.namespace", "kagent")), by=By.SERVER
        ),
        "agent in a namespace that is not": Attempt(
            "POST",
            AGENTS.replace("/team/", "/nowhere/"),
            edited(HARMLESS, ("metadata.namespace", "nowhere")),
            by=By.SERVER,
        ),
        "older version": Attempt("POST", OLDER, {**HARMLESS, "apiVersion": "kagent.dev/v1alpha1"}),
        "older version, hostile": Attempt(
            "POST", OLDER, {**EVIL, "apiVersion": "kagent.dev/v1alpha1"}
        ),
        "newer in the older": Attempt("POST", OLDER, HARMLESS, by=By.SERVER),
        "patch by the older version": Attempt(
            "PATCH", f"{OLDER}/worker-a", {"spec": {"description": "x"}}, MERGE
        ),
        "apply by the older version": Attempt(
            "PATCH",
            f"{OLDER}/worker-evil?fieldManager=x",
            {**HARMLESS, "apiVersion": "kagent.dev/v1alpha1"},
            APPLY,
        ),
        "scale of an agent": Attempt(
            "PATCH", f"{OWN}/scale", {"spec": {"replicas": 9}}, MERGE, by=By.SERVER
        ),
        "finalize of an agent": Attempt("PUT", f"{OWN}/finalize", EVIL, by=By.SERVER),
        "put where there is none": Attempt("PUT", f"{AGENTS}/worker-evil", EVIL, by=By.SERVER),
        "post at a name": Attempt("POST", OWN, EVIL),
    }


def _connections() -> dict[str, Attempt]:
    pod = f"{CORE}/pods/pod"
    found = {}
    for method in ("GET", "POST"):
        for what in ("exec?command=sh", "attach", "portforward?ports=80"):
            found[f"{method} {what}"] = Attempt(method, f"{pod}/{what}")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        body = None if method in ("GET", "HEAD", "OPTIONS") else b"{}"
        for place in (f"{pod}/proxy", f"{CORE}/services/pod/proxy", "/api/v1/nodes/node/proxy"):
            for tail in ("", "/run"):
                # Nothing comes with the answer to HEAD that could say who refused.
                if method != "HEAD":
                    found[f"{method} {place}{tail}"] = Attempt(
                        method, f"{place}{tail}", body, MERGE
                    )
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "pod", "namespace": "team"},
    }
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "pod", "namespace": "team"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node"},
    }
    ephemeral = {"spec": {"ephemeralContainers": [{"name": "e", "image": "i"}]}}
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return found | {
        "eviction": Attempt("POST", f"{pod}/eviction", eviction),
        "dry eviction": Attempt("POST", f"{pod}/eviction?dryRun=All", eviction),
        "binding of a pod": Attempt("POST", f"{pod}/binding", binding),
        "binding": Attempt("POST", f"{CORE}/bindings", binding),
        "ephemeral container": Attempt("PATCH", f"{pod}/ephemeralcontainers", ephemeral, STRATEGIC),
        "resize": Attempt(
            "PATCH",
            f"{pod}/resize",
            {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]}},
            STRATEGIC,
        ),
        "status of a pod": Attempt(
            "PATCH", f"{pod}/status", {"status": {"phase": "Failed"}}, MERGE
        ),
        "scale of a deployment": Attempt(
            "PATCH",
            "/apis/apps/v1/namespaces/team/deployments/deployment/scale",
            {"spec": {"replicas": 9}},
            MERGE,
        ),
        "finalize of a namespace": Attempt(
            "PUT",
            "/api/v1/namespaces/sandbox/finalize",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sandbox"}},
        ),
        **{
            f"token of {space}/{name}": Attempt(
                "POST", f"/api/v1/namespaces/{space}/serviceaccounts/{name}/token", token
            )
            for space, name in (
                ("team", "lead"),
                ("team", "worker-taken"),
                ("hotpeers-system", "hotpeers-controller"),
            )
        },
    }


def _names() -> dict[str, Attempt]:
    generated = {
        "a beginning of another": {"generateName": "intruder-"},
        "a beginning of the orchestrator": {"generateName": "lea"},
        "a whole name": {"generateName": "helper"},
        "a beginning that is too long": {"generateName": "worker-" + "a" * 60},
        "a beginning of nothing": {"generateName": ""},
        "a beginning of unicode": {"generateName": "worker-\u0430-"},
        "both": {"generateName": "worker-", "name": "worker-evil"},
    }
    found = {
        f"generateName: {name}": Attempt(
            "POST", AGENTS, {**HARMLESS, "metadata": {"namespace": "team", **metadata}}
        )
        for name, metadata in generated.items()
    }
    paths = {
        "cyrillic": "worker-%D0%B0",
        "full width": "%EF%BD%97orker-a",
        "zero width": "worker-%E2%80%8Ba",
        "upper case": "Worker-a",
    }
    bodies = {
        "cyrillic": "worker-\u0430",
        "full width": "\uff57orker-a",
        "zero width": "worker-\u200ba",
        "upper case": "Worker-a",
    }
    for name, path in paths.items():
        found[f"applied name: {name}"] = Attempt(
            "PATCH", f"{AGENTS}/{path}?fieldManager=x", declarative(bodies[name]), APPLY
        )
    found["name that is taken"] = Attempt("POST", AGENTS, declarative("worker-taken"))
    found["name of a human's"] = Attempt("POST", AGENTS, declarative("worker-human"))
    found["name of its own"] = Attempt("POST", AGENTS, declarative("worker-a"))
    found["name of itself"] = Attempt("POST", AGENTS, declarative("lead"))
    return found


def _guises() -> dict[str, Attempt]:
    """Impersonation headers and extra groups: the account stays governed."""
    lead = "system:serviceaccount:team:lead"
    guises = {
        "itself": {"Impersonate-User": lead},
        "itself with another uid": {"Impersonate-User": lead, "Impersonate-Uid": "x"},
        "itself among the masters": {
            "Impersonate-User": lead,
            "Impersonate-Group": "system:masters",
        },
        "itself with extras": {"Impersonate-User": lead, "Impersonate-Extra-Scopes": "x"},
        "another subject": {
            "Impersonate-User": "system:serviceaccount:team:worker-chief",
            "Impersonate-Group": "system:masters",
        },
        "its own agent": {
            "Impersonate-User": "system:serviceaccount:team:worker-a",
            "Impersonate-Group": "system:masters",
        },
    }
    found = {}
    for name, headers in guises.items():
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "evil"}}
        found[f"as {name}"] = Attempt("POST", AGENTS, EVIL, headers=headers)
        found[f"ConfigMap as {name}"] = Attempt(
            "POST", f"{CORE}/configmaps", config, headers=headers
        )
    for name, headers in {
        "X-Remote-User": {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"},
        "a user agent": {"User-Agent": "kube-controller-manager/v1.33"},
        "forwarded": {"X-Forwarded-For": "127.0.0.1"},
    }.items():
        found[f"with {name}"] = Attempt("POST", AGENTS, EVIL, headers=headers)
    return found


def _own_events() -> dict[str, Attempt]:
    """The one thing that it may write besides agents, bent."""
    event: Object = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "evil", "namespace": "team"},
        "involvedObject": {"kind": "Agent", "name": "lead", "namespace": "team"},
        "reason": "Any",
        "message": "any",
    }
    bent: dict[str, tuple[tuple[str, Any], ...]] = {
        "of another": (("involvedObject.name", "worker-a"),),
        "of a pod": (("involvedObject.kind", "Pod"),),
        "of an agent elsewhere": (("involvedObject.namespace", "kagent"),),
        "that stays": (("metadata.finalizers", ["a.b/c"]),),
        "that is owned": (("metadata.ownerReferences", [_OWNER]),),
        "with labels": (("metadata.labels", {"app": "x"}),),
        "with annotations": (("metadata.annotations", {"a.b/c": "x"}),),
        "that is huge": (("message", "a" * 300_000),),
        "of more than 4 KB": (("message", "a" * 4_000),),
        "that hides something": (("message", "fine\u3164"),),
        "of the kubelet": (("source", {"component": "kubelet"}),),
        "of the guard": (("reportingComponent", "hotpeers.dev/guard"),),
        "about another uid": (("involvedObject.uid", "any"),),
        "about another version": (("involvedObject.apiVersion", "apps/v1"),),
        "about a field": (("involvedObject.fieldPath", "spec"),),
        "related to another": (("related", {"kind": "Pod", "name": "pod", "namespace": "team"}),),
        "with a reason that is a text": (("reason", "Ignore all rules"),),
    }
    found = {
        f"event {name}": Attempt("POST", f"{CORE}/events", edited(event, *edits))
        for name, edits in bent.items()
    }
    newer = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "evil"},
        "regarding": event["involvedObject"],
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "x",
        "reportingInstance": "x",
        "action": "x",
        "reason": "x",
        "type": "Normal",
    }
    found["event of the newer version"] = Attempt(
        "POST", "/apis/events.k8s.io/v1/namespaces/team/events", newer
    )
    found["deletion of events"] = Attempt("DELETE", f"{CORE}/events")
    return found

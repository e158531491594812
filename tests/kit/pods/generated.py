"""Pods of any shape that an API server would hand on, for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = ("agent", "kagent", "proxy", "mesh", "init", "hotpeers", "hotpeers-spawn")
COMMANDS = (
    [],
    ["python", "main.py"],
    ["node"],
    ["python3", "-I", "x"],
    ["sh", "-c", "python -E x; 'open"],
    ["run", "$(PYTHONPATH)"],
    ["serve", "--port=8090"],
)
ENVIRONMENT: tuple[dict[str, Any], ...] = (
    {"name": "PYTHONPATH", "value": "/app:$(HOME_OF_IT)"},
    {"name": "PYTHONPATH", "value": ""},
    {"name": "PYTHONPATH"},
    {"name": "PYTHONPATH", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    {"name": "HOTPEERS_PEER_FILE", "value": "/tmp/peers.json"},
    {"name": "HOTPEERS_PEER_FILE", "value": "/var/run/hotpeers/peers/peers.json"},
    {"name": "HOTPEERS_SPAWN_URL", "value": "http://127.0.0.1:8091/mcp"},
    {"name": "DATA", "value": "$(PYTHONPATH)/x"},
    {"name": "PORT", "value": "8091"},
    {"name": "HOME_OF_IT", "value": "/home"},
)
VOLUMES = ("one", "two", "hotpeers-peers", "hotpeers-shim", "hotpeers-token", "kube-api-access-7")
VOLUMES += ("hotpeers-card-keys", "hotpeers-pod")
SOURCES: tuple[dict[str, Any], ...] = (
    {"emptyDir": {}},
    {"secret": {"secretName": "s"}},
    {"projected": {"sources": [{"secret": {"name": "s"}}]}},
    {"configMap": {"name": "concierge-skills-init"}},
)
PATHS = ("/data", "/opt", "/run/hotpeers", "/config", "/tmp", "/var/run/hotpeers/acks/x")
ANNOTATIONS = {
    "hotpeers.dev/selector": ("a=b", "a=,b", "!"),
    "hotpeers.dev/namespaces": ("*", "a,b", "A"),
    "hotpeers.dev/container": ("agent", "proxy"),
    "hotpeers.dev/skipped": ("NotPython: before",),
    "hotpeers.dev/status": ("{}", "[", '{"container": "proxy"}'),
    "hotpeers.dev/spawn": ("true", "false"),
    "hotpeers.dev/registry": ("http://r:1", "ftp://r"),
    "hotpeers.dev/require-signed": ("keys", "configmap/keys", "A b"),
    "hotpeers.dev/hot-config": ("true", "true", "false", "yes"),
    "hotpeers.dev/bridge": ("true", "true", "false", "maybe"),
    "hotpeers.dev/drain-seconds": ("0", "20", "86400", "5m"),
}
SERVING: tuple[dict[str, Any], ...] = (
    {"lifecycle": {"preStop": {"exec": {"command": ["true"]}}}},
    {"lifecycle": {"postStart": {"exec": {"command": ["true"]}}}},
    {"livenessProbe": {"tcpSocket": {"port": 8080}}},
    {"startupProbe": {"tcpSocket": {"port": 8080}, "terminationGracePeriodSeconds": 7}},
    {"readinessProbe": {"tcpSocket": {"port": 8080}}},
)
"""What an ordinary container may have, and an init container may not."""
SECURE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def some(values: Any, largest: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), max_size=largest, unique_by=str)


def maybe(key: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(st.just({}), value.map(lambda found: {key: found}))


def seldom(key: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.integers(0, 7).flatmap(
        lambda roll: value.map(lambda found: {key: found}) if roll == 7 else st.just({})
    )


ARGUMENTS = (
    ["--host", "0.0.0.0", "--filepath", "/config"],
    ["--filepath=/config", "--port", "8080"],
    ["--filepath", "/elsewhere"],
    [],
)


@st.composite
def containers(draw: st.DrawFn, name: str, volumes: list[str]) -> dict[str, Any]:
    mounted = [
        {"name": draw(st.sampled_from(volumes)), "mountPath": path}
        for path in draw(some(PATHS) if volumes else st.just([]))
    ]
    limits = st.sampled_from([{"cpu": "5m"}, {"cpu": "0.25"}, {"cpu": "2", "memory": "1Gi"}])
    return {
        "name": name,
        "image": "agent:1",
        **draw(seldom("image", st.just("r/kagent/golang-adk@sha256:0"))),
        "securityContext": {**SECURE, **draw(maybe("runAsUser", st.sampled_from([1001, 65532])))},
        **draw(seldom("command", st.sampled_from(COMMANDS))),
        **draw(seldom("args", st.sampled_from(ARGUMENTS))),
        **draw(maybe("env", some(ENVIRONMENT, 3))),
        **draw(maybe("envFrom", st.just([{"configMapRef": {"name": "m"}}]))),
        **draw(maybe("ports", st.just([{"containerPort": 8090}]))),
        **draw(maybe("resources", limits.map(lambda found: {"limits": found}))),
        **draw(st.one_of(st.just({"volumeMounts": mounted}), st.just({}))),
    }


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    """A pod that asks to be injected, and meets PodSecurity's `restricted`."""
    volumes = [{"name": one, **draw(st.sampled_from(SOURCES))} for one in draw(some(VOLUMES, 3))]
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    own = draw(st.integers(1, len(names)))
    inside = [draw(containers(name, [one["name"] for one in volumes])) for name in names]
    for one in inside[:own]:
        for part in draw(some(SERVING)):
            one.update(part)
    annotations = {"hotpeers.dev/inject": draw(st.sampled_from(["true"] * 8 + ["false", "1"]))}
    for name, values in ANNOTATIONS.items():
        annotations |= draw(seldom(name, st.sampled_from(values)))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "generated",
            "annotations": annotations,
            **draw(maybe("labels", st.just({"kagent": "concierge", "app": "kagent"}))),
        },
        "spec": {
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
                **draw(maybe("runAsUser", st.just(1000))),
            },
            "serviceAccountName": "default",
            "containers": inside[:own],
            **({"initContainers": inside[own:]} if inside[own:] else {}),
            **({"volumes": volumes} if volumes else {}),
            **draw(maybe("automountServiceAccountToken", st.just(False))),
            **draw(seldom("restartPolicy", st.just("Never"))),
            **draw(seldom("terminationGracePeriodSeconds", st.sampled_from([0, 45]))),
        },
    }

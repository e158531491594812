"""Known companions: containers of other products that run beside the agent and are never the agent.

A companion is recognized by the container name that its injector uses, or by the last parts of its
image name, which a mirror keeps. Names that an agent might also use are not listed.
"""

from __future__ import annotations

from .outcome import Json

_NAMES = frozenset(
    [
        # Meshes and tunnels.
        *("istio-proxy", "istio-init", "istio-validation", "linkerd-proxy", "linkerd-init"),
        "linkerd-debug",
        *("envoy", "envoy-sidecar", "consul-dataplane", "consul-connect-envoy-sidecar"),
        *("kuma-sidecar", "osm-envoy", "aws-appmesh-envoy", "nginx-mesh-sidecar"),
        *("traffic-agent", "tailscale", "ts-sidecar"),
        # Secrets, identities, storage and databases.
        *("vault-agent", "vault-agent-init", "azwi-proxy", "spiffe-helper"),
        *("cloud-sql-proxy", "cloudsql-proxy", "alloydb-auth-proxy", "gke-gcsfuse-sidecar"),
        *("oauth2-proxy", "oauth-proxy", "kube-rbac-proxy", "pgbouncer"),
        # Telemetry and logs.
        *("otc-container", "otel-collector", "opentelemetry-collector", "jaeger-agent"),
        *("datadog-agent", "datadog-agent-injected", "xray-daemon", "cloudwatch-agent"),
        *("fluent-bit", "fluentbit", "fluentd", "filebeat", "promtail"),
        # Runtimes and job controllers.
        *("queue-proxy", "daprd", "airflow-xcom-sidecar", "git-sync", "k8s-sidecar"),
    ]
)
_IMAGES = frozenset(
    [
        *("proxyv2", "linkerd2-proxy", "envoy", "aws-appmesh-envoy", "consul-dataplane", "kuma-dp"),
        *("tel2", "tailscale", "vault-k8s", "azwi-proxy", "spiffe-helper"),
        *(
            "cloud-sql-proxy",
            "gce-proxy",
            "alloydb-auth-proxy",
            "gcs-fuse-csi-driver-sidecar-mounter",
        ),
        *("oauth2-proxy", "kube-rbac-proxy", "pgbouncer"),
        *(
            "opentelemetry-collector",
            "opentelemetry-collector-contrib",
            "opentelemetry-collector-k8s",
        ),
        *("aws-otel-collector", "aws-xray-daemon", "jaeger-agent", "cloudwatch-agent"),
        *("fluent-bit", "fluentd", "filebeat", "promtail"),
        *("daprd", "argoexec", "git-sync", "k8s-sidecar"),
        # Names that are ambiguous without the part before them.
        *(
            "linkerd/proxy",
            "datadoghq/agent",
            "datadog/agent",
            "kserve/agent",
            "grafana/agent",
            "grafana/alloy",
        ),
        *("hashicorp/vault", "timberio/vector"),
    ]
)
_SERVERS = frozenset(["redis", "valkey", "postgres", "postgresql", "memcached", "nginx", "haproxy"])
_PUBLISHERS = frozenset(["", "docker.io", "library", "bitnami"])


def is_companion(container: Json) -> bool:
    """Whether the container is a known companion."""
    *parents, name = _image(container).split("/")
    parent = parents[-1] if parents else ""
    server = name in _SERVERS and parent in _PUBLISHERS
    known = name in _IMAGES or f"{parent}/{name}" in _IMAGES
    return server or known or container["name"] in _NAMES


def _image(container: Json) -> str:
    """The name of the container's image, without tag and digest."""
    path, _, name = str(container.get("image") or "").partition("@")[0].rpartition("/")
    name = name.partition(":")[0]
    return f"{path}/{name}" if path else name

"""Releases of different values: each is rendered, and tried on the API server."""

from __future__ import annotations

from dataclasses import dataclass

DIGEST = "sha256:" + "ab" * 32
CERT_MANAGER = "certificates.certManager.enabled=true"
OBSERVED = (
    "metrics.serviceMonitor.enabled=true",
    "metrics.podMonitor.enabled=true",
    "metrics.prometheusRule.enabled=true",
    "metrics.dashboards.enabled=true",
)


@dataclass(frozen=True)
class Variant:
    """A release and its values, as `--set-json` takes them."""

    sets: tuple[str, ...] = ()
    release: str = "hotpeers"
    namespace: str = "hotpeers-system"


VARIANTS = {
    "default": Variant(),
    "cert-manager": Variant((CERT_MANAGER,)),
    "an issuer of one's own": Variant(
        (
            CERT_MANAGER,
            'certificates.certManager.issuerRef={"name": "corporate", "kind": "ClusterIssuer"}',
        )
    ),
    "everything": Variant(
        (
            CERT_MANAGER,
            *OBSERVED,
            "networkPolicy.enabled=true",
            'networkPolicy.metricsFrom=[{"namespaceSelector": {"matchLabels": {"a": "b"}}}]',
            'metrics.serviceMonitor.labels={"release": "prometheus"}',
            'metrics.dashboards.annotations={"folder": "agents"}',
            'imagePullSecrets=[{"name": "registry"}]',
            'priorityClassName="system-cluster-critical"',
            'nodeSelector={"kubernetes.io/os": "linux"}',
            'tolerations=[{"operator": "Exists"}]',
            'affinity={"nodeAffinity": {}}',
            'commonLabels={"cost": 7}',
            'extraArgs=["--log-level=debug"]',
            'extraVolumes=[{"name": "more", "emptyDir": {}}]',
            'extraVolumeMounts=[{"name": "more", "mountPath": "/more"}]',
            'serviceAccount.name="injecting"',
            'sidecar.canary={"tag": "next"}',
            'podAnnotations={"a/b": "c"}',
            'podLabels={"team": "agents"}',
            'serviceAccount.annotations={"a/b": "c"}',
            'extraEnv=[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]',
            'webhook.namespaceSelector={"matchLabels": {"agents": "yes"}, '
            '"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]}',
            'log={"format": "json", "level": "debug"}',
        )
    ),
    "as little as there can be": Variant(
        (
            "replicaCount=0",
            "rbac.auto=false",
            "crds.install=false",
            "podDisruptionBudget.enabled=false",
            "resources=null",
            "sidecar.resources=null",
            "webhook.excludedNamespaces=[]",
        )
    ),
    "rights by hand": Variant(("rbac.auto=false",)),
    "one replica": Variant(("replicas=1",)),
    "the network of the node": Variant(
        (
            "hostNetwork=true",
            'ports={"webhook": 19443, "health": 18080}',
            'podSecurityContext={"runAsUser": 1000}',
            'containerSecurityContext={"privileged": false}',
        )
    ),
    "all programs": Variant(
        (
            "hub.enabled=true",
            "hub.serviceAccount.create=false",
            'hub.serviceAccount.name="mine"',
            'hub.extraVolumes=[{"name": "more", "emptyDir": {}}]',
            'hub.extraVolumeMounts=[{"name": "more", "mountPath": "/more"}]',
            'hub.affinity={"podAntiAffinity": {}}',
            'registry.url="http://registry:12121"',
            'mcp={"enabled": true, "tokenSecret": {"name": "t", "key": "t"}}',
            'mcp.extraEnv=[{"name": "A", "value": 1}]',
            'mcp.podSecurityContext={"runAsUser": 1000, "runAsNonRoot": true}',
        )
    ),
    "the console behind an ingress": Variant(
        (
            "console.enabled=true",
            "networkPolicy.enabled=true",
            'console.clientsFrom=[{"namespaceSelector": {"matchLabels": {"a": "b"}}}]',
            'console.ingress={"enabled": true, "host": "console.example", "tlsSecretName": "t"}',
        )
    ),
    "off": Variant(("enabled=false", "hub.enabled=true")),
    "another name and namespace": Variant(release="injector", namespace="agents"),
    "names like numbers": Variant(
        ('nameOverride="1"', 'fullnameOverride="12"'), release="7", namespace="42"
    ),
    "names as long as can be": Variant(('nameOverride="' + "n" * 63 + '"',), release="r" * 53),
    "a digest": Variant((f'image={{"repository": "registry/hotpeers", "digest": "{DIGEST}"}}',)),
    "another image for the sidecar": Variant(
        ('sidecar.image={"repository": "near/hotpeers", "pullPolicy": "Always"}',)
    ),
    "tools for spawning": Variant(
        (
            'registry={"url": "http://registry:12121", "tokenSecret": {"name": "r", "key": "t"}}',
            'mcp={"enabled": true, "tokenSecret": {"name": "t", "key": "t"}}',
            'mcp.orchestrator="team/lead"',
        )
    ),
    "a CRD that goes with the release": Variant(("crds.keep=false",)),
}

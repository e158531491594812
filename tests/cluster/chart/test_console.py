"""The console in the chart: nothing of it without `console.enabled`, and only the rights of its file."""

from __future__ import annotations

import pytest

from cluster.chart.test_copies import key, substance
from cluster.chart.test_render import one
from kit.apiserver.client import read_yaml
from kit.chart.helm import Helm, HelmError, Object
from kit.chart.rendering import K8S

ON = "console.enabled=true"
NAME = "hotpeers-console"


def of_the_console(objects: list[Object]) -> list[Object]:
    return [it for it in objects if it["metadata"]["name"] == NAME]


def environment(objects: list[Object]) -> dict[str, str]:
    (container,) = one(objects, "Deployment", NAME)["spec"]["template"]["spec"]["containers"]
    return {it["name"]: it["value"] for it in container["env"]}


def test_nothing_of_it_is_created_by_default(helm: Helm) -> None:
    assert of_the_console(helm.render()) == []
    assert of_the_console(helm.render("hub.enabled=true", "networkPolicy.enabled=true")) == []


def test_rights_are_those_of_the_manifest(helm: Helm) -> None:
    written = {key(it): substance(it) for it in read_yaml(K8S / "rbac" / "console.yaml")}
    rendered = {key(it): substance(it) for it in of_the_console(helm.render(ON))}
    assert {name: rendered.get(name) for name in written} == written
    assert {kind for kind, _ in rendered.keys() - written.keys()} == {"Deployment", "Service"}


def test_console_works_while_the_controller_is_off(helm: Helm) -> None:
    assert of_the_console(helm.render(ON, "enabled=false"))


def test_ingress_makes_the_public_url(helm: Helm) -> None:
    host = 'console.ingress={"enabled": true, "host": "console.example"'
    objects = helm.render(ON, host + "}")
    assert environment(objects)["HOTPEERS_PUBLIC_URL"] == "http://console.example"
    assert "tls" not in one(objects, "Ingress", NAME)["spec"]
    objects = helm.render(ON, host + ', "tlsSecretName": "t"}')
    assert environment(objects)["HOTPEERS_PUBLIC_URL"] == "https://console.example"
    assert one(objects, "Ingress", NAME)["spec"]["tls"] == [
        {"secretName": "t", "hosts": ["console.example"]}
    ]
    objects = helm.render(ON, host + "}", 'console.publicUrl="https://other.example"')
    assert environment(objects)["HOTPEERS_PUBLIC_URL"] == "https://other.example"


def test_ingress_without_a_host_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"console\.ingress\.host"):
        helm.render(ON, "console.ingress.enabled=true")


def test_empty_audience_accepts_tokens_of_the_api_server(helm: Helm) -> None:
    assert environment(helm.render(ON))["HOTPEERS_AUDIENCE"] == "hotpeers-console"
    assert environment(helm.render(ON, 'console.audience=""'))["HOTPEERS_AUDIENCE"] == "none"


def test_trusted_proxies_are_passed_on(helm: Helm) -> None:
    assert "HOTPEERS_TRUSTED_PROXIES" not in environment(helm.render(ON))
    found = environment(helm.render(ON, 'console.trustedProxies=["10.0.0.0/8", "fd00::/8"]'))
    assert found["HOTPEERS_TRUSTED_PROXIES"] == "10.0.0.0/8,fd00::/8"
    with pytest.raises(HelmError, match="trustedProxies"):
        helm.render(ON, 'console.trustedProxies=["ingress"]')


def test_two_pods_are_refused(helm: Helm) -> None:
    """Each would know only its own sessions."""
    assert one(helm.render(ON), "Deployment", NAME)["spec"]["replicas"] == 1
    with pytest.raises(HelmError, match="replicaCount"):
        helm.render(ON, "console.replicaCount=2")


def test_network_policy_limits_clients_and_targets(helm: Helm) -> None:
    clients = 'console.clientsFrom=[{"podSelector": {}}]'
    objects = helm.render(ON, "networkPolicy.enabled=true", clients)
    spec = one(objects, "NetworkPolicy", NAME)["spec"]
    assert spec["ingress"][0] == {
        "ports": [{"port": "http", "protocol": "TCP"}],
        "from": [{"podSelector": {}}],
    }
    assert {port["port"] for rule in spec["egress"] for port in rule["ports"]} == {443, 6443, 53}

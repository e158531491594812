"""Each finding from objects: a working installation with one fault."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.check.checks import AFTER, BEFORE, checks_after, run_checks, unread_findings
from hotpeers.check.finding import Finding, Severity
from hotpeers.check.reasons import CheckReason as R
from hotpeers.check.release import injecting_webhooks, injectors
from hotpeers.check.rights import installing_rights, wanted_rights
from hotpeers.check.snapshot import Part, Right, Snapshot, Trial, Unread
from hotpeers.check.workloads import named_credentials
from hotpeers.controller.certificates.secret import new_secret
from hotpeers.controller.reasons import ControllerReason

from .scene import (
    NOW,
    PLACE,
    TEAM,
    Change,
    Object,
    agent,
    bare_pod,
    bundle_of,
    deployment,
    hub_key,
    keyring,
    node,
    orchestrator,
    set_bundles,
    sidecar_pod,
    slice_of,
    snapshot,
    space,
    token,
)

ASKED = {"hotpeers.dev/inject": "true"}
Objects = dict[Part, list[Object]]


def findings(given: Snapshot) -> list[Finding]:
    return [one for done in run_checks(given, AFTER) for one in done.findings]


def test_working_installation_has_no_findings() -> None:
    done = run_checks(snapshot(), AFTER)
    assert [one for each in done for one in each.findings] == []
    assert not any(each.left_out or each.missing for each in done)


def put(part: Part, *objects: Object) -> Change:
    return lambda those: those.__setitem__(part, list(objects))


def add(part: Part, *objects: Object) -> Change:
    return lambda those: those[part].extend(objects)


def set_bundle(bundle: str) -> Change:
    return lambda those: set_bundles(those[Part.WEBHOOKS], bundle)


def served(ring: Any) -> Change:
    def change(those: Objects) -> None:
        those[Part.CERTIFICATES] = [new_secret(PLACE, "hotpeers-certificates", ring)]
        set_bundles(those[Part.WEBHOOKS], bundle_of(ring))

    return change


def without_fields(those: Objects) -> None:
    for one in those[Part.DEFINITIONS]:
        if one["metadata"]["name"] == "peers.hotpeers.dev":
            (version,) = one["spec"]["versions"]
            schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            del schema["url"]


def with_version(those: Objects) -> None:
    for one in those[Part.DEFINITIONS]:
        one["spec"]["versions"][0]["name"] = "v1alpha0"


def waiting(name: str, why: str) -> Object:
    state = {"waiting": {"reason": why, "message": "Back-off pulling image"}}
    return {"name": name, "image": "hotpeers:9", "state": state}


def unpulled(name: str = "hotpeers", why: str = "ImagePullBackOff") -> Object:
    return {**sidecar_pod(), "status": {"initContainerStatuses": [waiting(name, why)]}}


def policy(*ingress: Object, labels: Object | None = None, **spec: Any) -> Object:
    selector = {"matchLabels": labels} if labels else {}
    return {
        "kind": "NetworkPolicy",
        "metadata": {"namespace": PLACE, "name": "deny"},
        "spec": {"podSelector": selector, "ingress": list(ingress), **spec},
    }


def old_image() -> Object:
    pod = sidecar_pod()
    pod["spec"]["initContainers"][0]["image"] = "hotpeers:0.0.9"
    return pod


def old_version() -> Object:
    pod = sidecar_pod()
    pod["metadata"]["annotations"]["hotpeers.dev/status"] = '{"version": "0.0.9"}'
    return pod


def renamed(part: Part, name: str) -> Change:
    def change(those: Objects) -> None:
        (one,) = (it for it in those[part] if it["metadata"]["name"] == name)
        metadata = {**one["metadata"], "name": "other"}
        those[part].append({**one, "metadata": metadata})

    return change


def quota(used: str, hard: str = "1Gi", name: str = "requests.memory") -> Object:
    status = {"hard": {name: hard}, "used": {name: used}}
    return {
        "kind": "ResourceQuota",
        "metadata": {"namespace": TEAM, "name": "q"},
        "status": status,
    }


def rejected(message: str, namespace: str = TEAM) -> Object:
    about = {"kind": "ReplicaSet", "namespace": namespace, "name": "concierge-1"}
    return {"metadata": {"name": "e"}, "involvedObject": about, "message": message}


def spawn_policy(*subjects: Object) -> Object:
    spec = {"subjects": list(subjects)}
    return {"kind": "SpawnPolicy", "metadata": {"namespace": TEAM, "name": "p"}, "spec": spec}


SKIPPED = {"hotpeers.dev/skipped": "NotPython: The agent is not a Python program (x)."}
INVITED = {"hotpeers.dev/namespaces": "weather"}
CREDENTIALS = {"hotpeers.dev/credentials": "keys"}
EXCEEDED = 'pods "x" is forbidden: exceeded quota: q, requested: limits.memory=256Mi'


@pytest.mark.parametrize(
    ("change", "reason", "where"),
    [
        (put(Part.NODES, node("v1.28.9")), R.KUBELET_TOO_OLD, "Node n"),
        (put(Part.RELEASES), R.CONTROLLER_MISSING, "cluster"),
        (
            renamed(Part.RELEASES, "hotpeers-controller"),
            R.INSTALLED_TWICE,
            f"Deployment {PLACE}/other",
        ),
        (
            renamed(Part.WEBHOOKS, "hotpeers-injector"),
            R.INSTALLED_TWICE,
            "MutatingWebhookConfiguration other",
        ),
        (put(Part.WEBHOOKS), R.WEBHOOK_MISSING, "cluster"),
        (put(Part.SLICES), R.WEBHOOK_UNREACHABLE, f"Service {PLACE}/hotpeers-controller"),
        (
            put(Part.SLICES, slice_of("hotpeers-controller", ready=False)),
            R.WEBHOOK_UNREACHABLE,
            f"Service {PLACE}/hotpeers-controller",
        ),
        (put(Part.SLICES, slice_of("another")), R.WEBHOOK_UNREACHABLE, "hotpeers-controller"),
        (add(Part.NETWORK_POLICIES, policy()), R.NETWORK_POLICY_BLOCKS, f"{PLACE}/deny"),
        (
            add(Part.NETWORK_POLICIES, policy({"ports": [{"port": 8080}]})),
            R.NETWORK_POLICY_BLOCKS,
            f"{PLACE}/deny",
        ),
        (
            add(Part.NETWORK_POLICIES, policy({"from": [{"podSelector": {}}]})),
            R.NETWORK_POLICY_BLOCKS,
            f"{PLACE}/deny",
        ),
        (set_bundle(""), R.CA_BUNDLE_WRONG, "webhook"),
        (set_bundle("bm9uZQ=="), R.CA_BUNDLE_WRONG, "webhook"),
        (set_bundle("not base64"), R.CA_BUNDLE_WRONG, "webhook"),
        (set_bundle(bundle_of(keyring())), R.CA_BUNDLE_WRONG, "webhook"),
        (served(keyring(NOW - timedelta(days=31))), R.CERTIFICATE_EXPIRED, "Secret"),
        (served(keyring(NOW + timedelta(days=31))), R.CERTIFICATE_EXPIRED, "Secret"),
        (
            set_bundle(bundle_of(keyring(NOW - timedelta(days=366)))),
            R.CERTIFICATE_EXPIRED,
            "webhook",
        ),
        (
            lambda those: those[Part.DEFINITIONS].pop(),
            R.DEFINITION_MISSING,
            "CustomResourceDefinition",
        ),
        (without_fields, R.DEFINITION_OLD, "peers.hotpeers.dev"),
        (with_version, R.DEFINITION_OLD, "peers.hotpeers.dev"),
        (put(Part.PODS, unpulled()), R.IMAGE_NOT_PULLED, f"Pod {TEAM}/concierge"),
        (put(Part.OWN_PODS, unpulled("controller", "ErrImagePull")), R.IMAGE_NOT_PULLED, "Pod"),
        (put(Part.PODS, old_image()), R.VERSIONS_DIFFER, f"Pod {TEAM}/concierge"),
        (put(Part.PODS, old_version()), R.VERSIONS_DIFFER, f"Pod {TEAM}/concierge"),
        (
            put(Part.NAMESPACES, space(TEAM, labels={"hotpeers.dev/injection": "disabled"})),
            R.NAMESPACE_EXCLUDED,
            f"Namespace {TEAM}",
        ),
        (put(Part.PODS, bare_pod(**ASKED, **SKIPPED)), R.POD_SKIPPED, f"Pod {TEAM}/concierge"),
        (put(Part.PODS, bare_pod(**ASKED)), R.POD_NOT_INJECTED, f"Pod {TEAM}/concierge"),
        (
            put(Part.AGENTS, agent("go", **{"hotpeers.dev/bridge": "false"})),
            R.GO_WITHOUT_BRIDGE,
            f"Agent {TEAM}/a",
        ),
        (
            put(Part.PODS, sidecar_pod(**INVITED)),
            ControllerReason.READERS_NOT_INVITED,
            "Namespace weather",
        ),
        (put(Part.QUOTAS, quota("980Mi")), R.QUOTA_EXCEEDED, f"ResourceQuota {TEAM}/q"),
        (put(Part.QUOTAS, quota("995m", "1", "cpu")), R.QUOTA_EXCEEDED, "q"),
        (put(Part.QUOTAS, quota("900Mi", "1Gi", "limits.memory")), R.QUOTA_EXCEEDED, "q"),
        (put(Part.EVENTS, rejected(EXCEEDED)), R.QUOTA_EXCEEDED, f"ReplicaSet {TEAM}/concierge-1"),
        (put(Part.POLICIES, spawn_policy()), R.POLICY_WITHOUT_SUBJECTS, f"SpawnPolicy {TEAM}/p"),
        (put(Part.TOKENS, token(uid="u-2")), R.HUB_TOKEN_WRONG, f"{TEAM}/desk-hotpeers-token"),
        (put(Part.TOKENS, token(version=2)), R.HUB_TOKEN_WRONG, f"{TEAM}/desk-hotpeers-token"),
        (put(Part.HUB_KEY, hub_key(bytes(32))), R.HUB_TOKEN_WRONG, "desk-hotpeers-token"),
        (put(Part.TOKENS, {**token(), "type": "Opaque"}), R.HUB_TOKEN_WRONG, "token"),
        (put(Part.TOKENS, {**token(), "data": {"token": "?"}}), R.HUB_TOKEN_WRONG, "token"),
    ],
)
def test_fault_is_found(change: Change, reason: Reason, where: str) -> None:
    found = findings(snapshot(change))
    assert reason in {one.reason for one in found}
    places = [one.where for one in found if one.reason is reason]
    assert any(where in place for place in places), places
    # A fault may hide others, but causes no unrelated ones.
    assert {one.reason for one in found} - {reason} <= CAUSED.get(reason, set())


CAUSED: dict[Reason, set[Reason]] = {
    R.NAMESPACE_EXCLUDED: {ControllerReason.INJECTION_DISABLED},
}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"version": (1, 27)}, R.CLUSTER_TOO_OLD),
        ({"skew": 31.0}, R.CLOCK_SKEWED),
        ({"skew": -31.0}, R.CLOCK_SKEWED),
        ({"trial": Trial(TEAM, pod=bare_pod(**ASKED))}, R.INJECTION_NOT_DONE),
        ({"trial": Trial(TEAM, refusal="pods is forbidden")}, R.INJECTION_UNTESTED),
        ({"trial": Trial(TEAM, refusal=EXCEEDED)}, R.QUOTA_EXCEEDED),
        ({"absent": frozenset([f"{TEAM}/desk-hotpeers-token"])}, R.HUB_TOKEN_MISSING),
    ],
)
def test_fact_is_found(fields: dict[str, Any], reason: Reason) -> None:
    assert [one.reason for one in findings(snapshot(**fields))] == [reason]


@pytest.mark.parametrize(
    "change",
    [
        add(Part.NETWORK_POLICIES, policy({})),
        add(Part.NETWORK_POLICIES, policy(), policy({"ports": [{"port": "webhook"}]})),
        add(Part.NETWORK_POLICIES, policy({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})),
        add(Part.NETWORK_POLICIES, policy({"ports": [{"port": 9000, "endPort": 9999}]})),
        add(Part.NETWORK_POLICIES, policy(labels={"app": "other"})),
        add(Part.NETWORK_POLICIES, policy(policyTypes=["Egress"])),
        put(Part.QUOTAS, quota("900Mi")),
        put(Part.QUOTAS, quota("?", "many")),
        put(Part.EVENTS, rejected(EXCEEDED, "elsewhere")),
        put(Part.POLICIES, spawn_policy({"kind": "Agent", "name": "a"})),
        put(Part.HUB_KEY),
        put(Part.PODS, {**bare_pod(**ASKED), "status": {"phase": "Succeeded"}}),
        put(Part.AGENTS, agent("go", **{"hotpeers.dev/bridge": "true"})),
        put(Part.AGENTS, {"metadata": {"namespace": TEAM, "name": "a"}, "spec": 7}),
        put(Part.SLICES, {**slice_of("hotpeers-controller"), "endpoints": [{}]}),
        put(Part.ORCHESTRATORS, {"metadata": {"name": "broken"}}),
    ],
)
def test_sound_installation_has_no_finding(change: Change) -> None:
    assert findings(snapshot(change)) == []


def test_invitation_of_a_namespace_or_account_is_enough() -> None:
    for readers in ("*", TEAM, f"{TEAM}/concierge"):

        def change(those: Objects, readers: str = readers) -> None:
            those[Part.PODS] = [sidecar_pod(**INVITED)]
            invites = {"hotpeers.dev/readers": readers}
            those[Part.NAMESPACES].append(space("weather", annotations=invites))

        assert findings(snapshot(change)) == []


def test_missing_secret_of_credentials_is_found_with_who_names_it() -> None:
    change = put(Part.WORKLOADS, deployment(**CREDENTIALS))
    assert findings(snapshot(change)) == []
    (found,) = findings(snapshot(change, absent=frozenset([f"{TEAM}/keys"])))
    assert (found.reason, found.where) == (R.CREDENTIALS_MISSING, f"Secret {TEAM}/keys")
    assert f"Deployment {TEAM}/concierge" in found.message


def test_malformed_name_of_a_secret_is_not_looked_for() -> None:
    hostile = {"hotpeers.dev/credentials": "../../../nodes"}
    assert named_credentials(snapshot(put(Part.WORKLOADS, deployment(**hostile)))) == {}


def test_skipped_pod_has_the_remedy_of_its_reason() -> None:
    (found,) = findings(snapshot(put(Part.PODS, bare_pod(**ASKED, **SKIPPED))))
    assert "hotpeers.dev/bridge" in found.advice


def test_old_kubelet_is_a_note_if_sidecars_are_ordinary() -> None:
    change = put(Part.NODES, node("v1.28.0"))
    (found,) = findings(snapshot(change, version=(1, 28)))
    assert found.severity is Severity.NOTE
    (found,) = findings(snapshot(change))
    assert found.severity is Severity.WARNING


def test_missing_right_names_account_and_action() -> None:
    given = snapshot()
    account = f"system:serviceaccount:{PLACE}:hotpeers-controller"
    right = Right(account, "patch", "apps", "deployments")
    assert right in given.rights
    (found,) = findings(snapshot(rights={**given.rights, right: False}))
    assert (found.reason, found.where) == (
        R.ACCOUNT_RIGHT_MISSING,
        f"ServiceAccount {PLACE}/hotpeers-controller",
    )
    assert "patch deployments.apps" in found.message


def test_rights_are_those_of_enabled_features() -> None:
    def disable(those: Objects) -> None:
        (container,) = those[Part.RELEASES][0]["spec"]["template"]["spec"]["containers"]
        off = {
            "HOTPEERS_GUARD_CONFIGURATION": "none",
            "HOTPEERS_HOLD_CONFIGURATION": "none",
            "HOTPEERS_WEBHOOK_CONFIGURATION": "none",
            "HOTPEERS_BIND_READERS": "false",
            "HOTPEERS_ORCHESTRATORS": "false",
            "HOTPEERS_CERTIFICATE_DIR": "/certificates",
        }
        kept = [one for one in container["env"] if one["name"] not in off]
        container["env"] = kept + [{"name": name, "value": off[name]} for name in off]

    less = {
        (one.verb, one.resource)
        for one in wanted_rights(snapshot(disable))
        if one.account.endswith("hotpeers-controller")
    }
    assert less == {
        ("get", "leases"),
        ("update", "leases"),
        ("get", "agents"),
        ("get", "namespaces"),
        ("create", "events"),
    }


def console(**spec: Any) -> Object:
    labels = {"app.kubernetes.io/component": "console"}
    template = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": "hotpeers-console"}}
    metadata = {"namespace": PLACE, "name": "hotpeers-console", "labels": labels}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template, **spec}}


def test_rights_of_the_console_are_asked_for_if_it_is_there() -> None:
    account = f"system:serviceaccount:{PLACE}:hotpeers-console"
    assert not [one for one in wanted_rights(snapshot()) if one.account == account]
    given = snapshot(add(Part.RELEASES, console(replicas=1)))
    assert findings(given) == []
    right = Right(account, "create", "authentication.k8s.io", "tokenreviews")
    assert given.rights[right]
    denied = {**given.rights, right: False}
    (found,) = findings(snapshot(add(Part.RELEASES, console()), rights=denied))
    assert (found.reason, found.where) == (
        R.ACCOUNT_RIGHT_MISSING,
        f"ServiceAccount {PLACE}/hotpeers-console",
    )
    assert "create tokenreviews.authentication.k8s.io" in found.message


def test_rights_of_the_console_are_checked_while_the_controller_is_off() -> None:
    def turn_off(those: Objects) -> None:
        those[Part.RELEASES], those[Part.WEBHOOKS] = [console()], []

    given = snapshot(turn_off)
    denied = snapshot(turn_off, rights=dict.fromkeys(given.rights, False))
    found = {
        one.reason for done in run_checks(denied, checks_after(denied)) for one in done.findings
    }
    assert found == {R.CONTROLLER_MISSING, R.WEBHOOK_MISSING, R.ACCOUNT_RIGHT_MISSING}


def test_console_with_two_pods_is_found() -> None:
    (found,) = findings(snapshot(add(Part.RELEASES, console(replicas=2))))
    assert (found.reason, found.severity) == (R.CONSOLE_SCALED, Severity.WARNING)
    assert found.where == f"Deployment {PLACE}/hotpeers-console"


def test_before_an_installation_the_user_needs_rights() -> None:
    rights = dict.fromkeys(installing_rights(PLACE), True)
    given = snapshot(rights=rights)
    assert not any(done.findings for done in run_checks(given, BEFORE))
    rights[next(one for one in rights if one.resource == "clusterroles")] = False
    (found,) = [
        one for done in run_checks(snapshot(rights=rights), BEFORE) for one in done.findings
    ]
    assert found.reason is R.INSTALL_FORBIDDEN
    assert "create clusterroles" in found.message


@pytest.mark.parametrize("part", list(Part))
@pytest.mark.parametrize("forbidden", [True, False])
def test_unread_part_leaves_checks_out_and_finds_no_fault(part: Part, *, forbidden: bool) -> None:
    given = snapshot(unread={part: Unread("no", forbidden=forbidden)})
    assert findings(given) == []
    (found,) = unread_findings(given)
    assert found.reason is (R.READ_FORBIDDEN if forbidden else R.READ_FAILED)
    assert found.severity is not Severity.ERROR


def test_nothing_at_all_is_no_crash() -> None:
    unread = {part: Unread("no", forbidden=True) for part in Part}
    done = run_checks(Snapshot(unread=unread), AFTER)
    assert [one.findings for one in done if one.check.needs] == [()] * sum(
        bool(one.check.needs) for one in done
    )


def test_token_of_a_version_that_was_raised_is_wrong() -> None:
    (found,) = findings(snapshot(put(Part.ORCHESTRATORS, orchestrator(version=3))))
    assert (found.reason, "version 3" in found.message) == (R.HUB_TOKEN_WRONG, True)


def test_bundle_with_an_old_and_the_current_authority_fits() -> None:
    def change(those: Objects) -> None:
        hook = those[Part.WEBHOOKS][0]["webhooks"][0]
        current = base64.b64decode(hook["clientConfig"]["caBundle"])
        both = base64.b64encode(keyring(NOW - timedelta(days=400)).bundle + current).decode()
        set_bundles(those[Part.WEBHOOKS], both)

    assert findings(snapshot(change)) == []


def test_without_an_installation_only_the_first_checks_are_made() -> None:
    def remove(those: Objects) -> None:
        for part in (Part.RELEASES, Part.WEBHOOKS, Part.DEFINITIONS):
            those[part] = []

    given = snapshot(remove)
    titles = [one.title for one in checks_after(given)]
    assert titles[-1] == "the webhook that injects pods exists"
    found = {one.reason for done in run_checks(given, checks_after(given)) for one in done.findings}
    assert found == {R.CONTROLLER_MISSING, R.DEFINITION_MISSING, R.WEBHOOK_MISSING}
    # A user who cannot see the installation does not know that it is missing.
    blind = snapshot(remove, unread={Part.RELEASES: Unread("no", forbidden=True)})
    assert checks_after(blind) == checks_after(snapshot()) == AFTER


def listen(port: str) -> Change:
    """The controller serves at another port, as by the chart's value `ports.webhook`."""

    def change(those: Objects) -> None:
        for one in those[Part.RELEASES]:
            for container in one["spec"]["template"]["spec"]["containers"]:
                container["env"] = [
                    it for it in container["env"] if it["name"] != "HOTPEERS_LISTEN"
                ]
                container["env"].append({"name": "HOTPEERS_LISTEN", "value": port})

    return change


@pytest.mark.parametrize(
    ("given", "admitted", "blocked"),
    [
        (":19443", 19443, False),
        (":19443", 9443, True),
        ("", 9443, False),
        (":not-a-port", 9443, False),
        (":" + "9" * 5000, 9443, False),
    ],
)
def test_network_policy_admits_the_port_that_is_served(
    given: str, admitted: int, blocked: bool
) -> None:
    def change(those: Objects) -> None:
        those[Part.NETWORK_POLICIES].append(policy({"ports": [{"port": admitted}]}))
        listen(given)(those)

    found = {one.reason for one in findings(snapshot(change))}
    assert (R.NETWORK_POLICY_BLOCKS in found) is blocked


def test_webhook_of_a_canary_injects_too() -> None:
    def change(those: Objects) -> None:
        (found,) = injectors(snapshot())
        first = found["webhooks"][0]
        found["webhooks"] = [{**first, "name": f"canary.{first['name']}"}]
        those[Part.WEBHOOKS] = [found]

    (only,) = injecting_webhooks(snapshot(change))
    assert only["name"] == "canary.inject.hotpeers.dev"
    assert R.WEBHOOK_MISSING not in {one.reason for one in findings(snapshot(change))}

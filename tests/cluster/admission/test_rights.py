"""Which requests reach the guard, and which only RBAC stops."""

from collections.abc import Callable, Iterator

import pytest

from cluster.admission.attempts import AGENTS, EVIL
from cluster.admission.outcome import MERGE, Attempt, By, attempt
from cluster.admission.scene import SYSTEM, Scene, policy
from kit.apiserver.accounts import make_account, rule
from kit.apiserver.client import Api, Object
from kit.spawning import declarative
from kit.waiting import until

CONFIG: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "any"}}
LEAD = "system:serviceaccount:team:lead"


def config(headers: dict[str, str] | None = None, namespace: str = "team") -> Attempt:
    """A ConfigMap, which no governed account may create."""
    path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All"
    return Attempt("POST", path, CONFIG, headers=headers or {})


# None of these is the account `lead` of `team`, although the names look alike.
STRANGERS = [
    "lead",
    "system:serviceaccount:team:leader",
    "system:serviceaccount:team:lea",
    "system:serviceaccount:team:ead",
    "system:serviceaccount:team2:lead",
    "system:serviceaccount:ateam:lead",
    "system:serviceaccount:tea:m:lead",
    "system:serviceaccount:team:lead:x",
    "system:serviceaccount:team:lead|team:x",
    "system:serviceaccount:team:lead\\u000a",
    "System:serviceaccount:team:lead",
    "system:serviceaccount:team:Lead",
    "system:serviceaccount:sandbox:lead",
    "system:serviceaccounts:team:lead",
    "x-system:serviceaccount:team:lead",
    "system:serviceaccount:system:serviceaccount:team:lead",
    "team:lead",
    "|team:lead|",
    "'|team:lead|'",
    "system:serviceaccount:kagent:kagent-controller",
    "system:masters",
]


@pytest.mark.parametrize("user", STRANGERS)
def test_strangers_are_nobodys_business(user: str, guarded: Scene, lead: Api) -> None:
    headers = {"Impersonate-User": user, "Impersonate-Group": "system:masters"}
    assert attempt(guarded.api, config(headers)).by is By.NOBODY


def test_impersonated_account_is_governed(guarded: Scene, lead: Api) -> None:
    for more in ({}, {"Impersonate-Uid": "x"}, {"Impersonate-Group": "system:masters"}):
        headers = {"Impersonate-Group": "system:masters", "Impersonate-User": LEAD, **more}
        assert attempt(guarded.api, config(headers)).by is By.GUARD


def test_account_with_that_name_in_another_namespace_is_not_governed(
    guarded: Scene, lead: Api
) -> None:
    other = guarded.login("lead", "sandbox")
    assert attempt(other, config(namespace="sandbox")).by is By.NOBODY
    assert attempt(other, config()).by is By.NOBODY


def test_account_that_was_made_again_is_governed(guarded: Scene) -> None:
    """Its old token is worth nothing, its new one no more than the old one was."""
    api = guarded.govern("again", names=["again-*", "worker-*"])
    made = api.create(declarative("again-a"))
    before = guarded.account("again")
    old = Api(before.access)
    before.delete()
    until("the old token to be refused", lambda: "401" in said(old), 60)
    old.close()
    new = guarded.login("again")
    assert attempt(new, config()).by is By.GUARD
    assert attempt(new, Attempt("POST", AGENTS, EVIL)).by is By.GUARD
    # The agent is still the one that it was, and so are those that it spawned.
    new.delete(made)


def said(api: Api) -> str:
    return attempt(api, Attempt("GET", f"{AGENTS}/lead")).message


def test_recreated_account_does_not_own_the_agents_of_its_predecessor(guarded: Scene) -> None:
    first = guarded.login("robot")
    subjects = [{"kind": "ServiceAccount", "name": "robot"}]
    guarded.api.create(policy("robots", subjects=subjects, names=["robot-*"]))
    until("the account to be governed", lambda: attempt(first, config()).by is By.GUARD, 60)
    first.create(declarative("robot-a"))
    guarded.account("robot").delete()
    second = guarded.login("robot")
    outcome = attempt(second, Attempt("DELETE", f"{AGENTS}/robot-a"))
    assert outcome.by is By.GUARD
    assert "NotSpawned" in outcome.message
    # Without an owner it would be deleted in a minute, in the middle of another test.
    guarded.api.delete(declarative("robot-a"))


Login = Callable[[str], Api]


@pytest.fixture
def modest(guarded: Scene, lead: Api) -> Iterator[Login]:
    """Accounts that have every right of RBAC but one kind."""
    opened: list[Api] = []

    def login(without: str) -> Api:
        groups = [one["name"] for one in guarded.api.request("GET", "/apis")["groups"]]
        verbs = {"get", "list", "watch", "create", "update", "patch", "delete", "impersonate"}
        rules = [
            rule(group, "*", " ".join(verbs - {without}))
            for group in ("", "authentication.k8s.io", *groups)
            if group != without
        ]
        name = f"modest-{without.partition('.')[0]}"
        account = make_account(guarded.cluster, "team", name, cluster_rules=rules)
        opened.append(Api(account.access))
        return opened[-1]

    yield login
    for api in opened:
        api.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"},
        {"Impersonate-User": f"system:serviceaccount:{SYSTEM}:hotpeers-controller"},
        {"Impersonate-User": "system:serviceaccount:kagent:kagent-controller"},
    ],
)
def test_only_rbac_stops_impersonation(headers: dict[str, str], lead: Api, modest: Login) -> None:
    """The request then has the identity of another user.

    docs/threat-model.md: do not grant this right.
    """
    granted = attempt(lead, config(headers))
    assert granted.by is not By.GUARD
    refused = attempt(modest("impersonate"), config(headers))
    assert refused.by is By.SERVER
    assert "cannot impersonate" in refused.message


def test_only_rbac_stops_writing_configurations(guarded: Scene, lead: Api, modest: Login) -> None:
    """Kubernetes keeps webhooks from deciding about changes of webhooks. docs/threat-model.md says so too."""
    root = "/apis/admissionregistration.k8s.io/v1"
    change = {"metadata": {"labels": {"evil": "yes"}}}
    for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        one = Attempt("PATCH", f"{root}/{kind}/hotpeers-guard?dryRun=All", change, MERGE)
        assert attempt(lead, one).by is By.NOBODY
        refused = attempt(modest("admissionregistration.k8s.io"), one)
        assert refused.by is By.SERVER
        assert "cannot patch" in refused.message


def test_configuration_that_somebody_opened_is_closed_again(guarded: Scene, lead: Api) -> None:
    """The webhook configuration is restored at once, even if a subject has the right to edit it."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/hotpeers-guard"

    def rules() -> object:
        webhook = guarded.api.request("GET", path)["webhooks"][0]
        return webhook.get("rules"), webhook.get("matchConditions")

    before = rules()
    emptied = [{"op": "remove", "path": "/webhooks/0/rules"}]
    lead.request("PATCH", path, emptied, content_type="application/json-patch+json")
    until("the rules to be as before", lambda: rules() == before, 60)
    until("the guard to be asked", lambda: attempt(lead, config()).by is By.GUARD, 60)

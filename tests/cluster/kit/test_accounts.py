"""Accounts of the tests: real tokens, and exactly the rights that were given."""

from collections.abc import Callable

import pytest
import yaml

from kit.apiserver.accounts import ServiceAccount, rule
from kit.apiserver.client import Access, Api, ApiError
from kit.apiserver.server import Cluster
from kit.waiting import until

LIST = "/api/v1/namespaces/{}/services"


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> Callable[..., int]:
    """The status that a GET has with these rights."""

    def get(access: Access, path: str) -> int:
        api = Api(access)
        request.addfinalizer(api.close)
        try:
            api.request("GET", path)
        except ApiError as error:
            return error.status
        return 200

    return get


def test_account_has_exactly_the_rights_of_its_rules(
    namespace: str, service_account: Callable[..., ServiceAccount], ask: Callable[..., int]
) -> None:
    account = service_account(namespace, "reader", [rule("", "services", "get list")])
    assert ask(account.access, LIST.format(namespace)) == 200
    assert ask(account.access, LIST.format("default")) == 403
    assert ask(account.access, f"/api/v1/namespaces/{namespace}/secrets") == 403


def test_rules_for_the_whole_cluster(
    namespace: str, service_account: Callable[..., ServiceAccount], ask: Callable[..., int]
) -> None:
    account = service_account(namespace, "reader", cluster_rules=[rule("", "services", "list")])
    assert ask(account.access, LIST.format("default")) == 200


def test_token_of_a_deleted_account_is_unauthorized(
    namespace: str, service_account: Callable[..., ServiceAccount], ask: Callable[..., int]
) -> None:
    account = service_account(namespace, "passing", [rule("", "services", "list")])
    account.delete()
    # The server learns of it by watching.
    path = LIST.format(namespace)
    until("the token to be refused", lambda: ask(account.access, path) == 401, 60)


def test_another_signing_key_makes_every_token_unauthorized(
    cluster: Cluster,
    namespace: str,
    service_account: Callable[..., ServiceAccount],
    ask: Callable[..., int],
) -> None:
    account = service_account(namespace, "signed", [rule("", "services", "list")])
    assert ask(account.access, LIST.format(namespace)) == 200
    cluster.replace_signing_key()
    assert ask(account.access, LIST.format(namespace)) == 401
    account.renew()
    assert ask(account.access, LIST.format(namespace)) == 200


def test_kubeconfig_names_the_account_and_the_address_between(
    namespace: str, service_account: Callable[..., ServiceAccount]
) -> None:
    account = service_account(namespace, "named")
    config = yaml.safe_load(account.kubeconfig("https://127.0.0.1:1").read_text())
    assert config["users"][0]["user"] == {"token": account.token}
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    assert config["contexts"][0]["context"]["namespace"] == namespace
    assert (account.folder / "token").read_text() == account.token
    assert (account.folder / "namespace").read_text() == namespace

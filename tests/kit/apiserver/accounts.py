"""ServiceAccounts with exactly the rights that a test gives them, and real tokens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from kit.apiserver.client import Access, Object
from kit.apiserver.resources import account_manifest
from kit.apiserver.server import Cluster
from kit.waiting import until

_RBAC = "rbac.authorization.k8s.io"
MINIMUM_SECONDS = 600
"""The API server gives no token a shorter life."""


def rule(groups: str | Sequence[str], resources: str, verbs: str) -> Object:
    """One rule of RBAC: `rule("kagent.dev", "agents", "get list watch")`."""
    return {
        "apiGroups": [groups] if isinstance(groups, str) else list(groups),
        "resources": resources.split(),
        "verbs": verbs.split(),
    }


@dataclass
class ServiceAccount:
    """A ServiceAccount of one cluster and its newest token."""

    cluster: Cluster
    namespace: str
    name: str
    token: str = ""
    _seconds: int = field(default=MINIMUM_SECONDS, repr=False)

    @property
    def folder(self) -> Path:
        """The files `token`, `ca.crt` and `namespace`, as in a pod."""
        folder = self.cluster.folder / "accounts" / self.namespace / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def access(self) -> Access:
        """How to reach the cluster as this account."""
        return Access(self.cluster.url, self.cluster.authority, token=self.token)

    def kubeconfig(self, url: str = "") -> Path:
        """Write a kubeconfig with its token; `url` is the server's unless something is between."""
        access = Access(url or self.cluster.url, self.cluster.authority, token=self.token)
        return access.write_kubeconfig(self.folder / "kubeconfig", self.namespace)

    def renew(self) -> str:
        """Get a new token and write it into the folder, as a kubelet does."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self.name}/token"
        wanted = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": self._seconds},
        }
        self.token = self.cluster.api.request("POST", path, wanted)["status"]["token"]
        (self.folder / "ca.crt").write_bytes(self.cluster.authority.read_bytes())
        (self.folder / "namespace").write_text(self.namespace)
        fresh = self.folder / "token.new"
        fresh.write_text(self.token)
        fresh.rename(self.folder / "token")
        return self.token

    def bind(self, rules: Iterable[Object], namespace: str = "") -> None:
        """Grant rules in a namespace (default: its own) or, for "*", in the whole cluster.

        They are in force when it returns: the server learns of its own roles by watching them.
        """
        rules = list(rules)
        place = namespace or self.namespace
        everywhere = place == "*"
        metadata = {"name": f"{self.namespace}.{self.name}"}
        if not everywhere:
            metadata["namespace"] = place
        kind = "ClusterRole" if everywhere else "Role"
        base = {"apiVersion": f"{_RBAC}/v1", "metadata": metadata}
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}
        role = {"apiGroup": _RBAC, "kind": kind, "name": metadata["name"]}
        api = self.cluster.api
        api.apply({**base, "kind": kind, "rules": rules})
        api.apply({**base, "kind": f"{kind}Binding", "roleRef": role, "subjects": [subject]})
        for one in rules:
            for asked in product(one["apiGroups"], one["resources"], one["verbs"]):
                until(
                    f"{self.name} to be allowed {asked}",
                    lambda asked=asked: self._may("" if everywhere else place, *asked),
                    60,
                )

    def _may(self, namespace: str, group: str, resource: str, verb: str) -> bool:
        kind, _, subresource = resource.partition("/")
        attributes = {"namespace": namespace, "group": group, "verb": verb}
        attributes |= {"resource": kind, "subresource": subresource}
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}"]
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{self.namespace}:{self.name}",
                "groups": groups,
                "resourceAttributes": attributes,
            },
        }
        return bool(self.cluster.api.create(review)["status"]["allowed"])

    def delete(self) -> None:
        """Delete the account: its tokens are refused, those used before ten seconds from now.

        That long the server trusts a token that it has seen; `Cluster.replace_signing_key` is
        felt at once.
        """
        self.cluster.api.delete(self.manifest)

    @property
    def manifest(self) -> Object:
        """The account as an object."""
        return account_manifest(self.namespace, self.name)


def make_account(
    cluster: Cluster,
    namespace: str,
    name: str,
    rules: Iterable[Object] = (),
    *,
    cluster_rules: Iterable[Object] = (),
    seconds: int = MINIMUM_SECONDS,
) -> ServiceAccount:
    """Create a ServiceAccount (or take the one that is there) with these rights and a token."""
    account = ServiceAccount(cluster, namespace, name, _seconds=seconds)
    cluster.api.apply(account.manifest)
    if rules := list(rules):
        account.bind(rules)
    if cluster_rules := list(cluster_rules):
        account.bind(cluster_rules, "*")
    account.renew()
    return account

"""Reads a snapshot of the cluster as the user may. A missing right leaves a part out.

Objects that no check needs are dropped while they are read, so that large clusters fit into memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from string import digits
from typing import Any
from urllib.parse import quote

from ..base.parts import items, part, text
from ..inject.annotations import INJECT, INJECTED_LABEL, PREFIX
from ..kube.client import Client
from ..kube.errors import ForbiddenError, KubeError, NotFoundError
from ..kube.listwatch import list_pages
from .hub import orchestrators
from .packaged import definitions
from .release import PART_OF, Release, consoles, controllers, hubs, webhooks_of
from .rights import installing_rights, wanted_rights
from .snapshot import Json, Part, Right, Snapshot, Trial, Unread
from .trial import trial_namespace, trial_pod
from .workloads import named_credentials

_AT_ONCE = 8
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"
_HOTPEERS = "/apis/hotpeers.dev/v1alpha1"

Keep = Callable[[Json], bool]


def _all(_: Json) -> bool:
    return True


def _is_object(one: object) -> bool:
    """Whether it has a name, as each object of Kubernetes."""
    return bool(text(one, "metadata", "name"))


def _asks(one: Json) -> bool:
    return INJECT in part(one, "spec", "template", "metadata", "annotations")


def _is_ours(pod: Json) -> bool:
    marks = {**part(pod, "metadata", "annotations"), **part(pod, "metadata", "labels")}
    return any(name.startswith(PREFIX) for name in marks) or INJECTED_LABEL in marks


@dataclass
class Reader:
    """Reads one snapshot. `namespace` limits it to one namespace, "" reads all."""

    client: Client
    namespace: str = ""
    _objects: dict[Part, list[Json]] = field(default_factory=dict)
    _unread: dict[Part, Unread] = field(default_factory=dict)
    _rights: dict[Right, bool] = field(default_factory=dict)
    _absent: set[str] = field(default_factory=set)
    _skew: float = 0.0
    _kagent: list[str] = field(default_factory=list)
    _version: tuple[int, int] = (0, 0)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def before(self, namespace: str) -> Snapshot:
        """What the checks before an installation into `namespace` need. Raises `KubeError`."""
        await self._learn_version()
        await asyncio.gather(
            self._learn_clock(),
            self._learn_kagent(),
            self._list(Part.NODES, "/api/v1/nodes"),
            self._review(Part.OWN_RIGHTS, installing_rights(namespace)),
        )
        return self._snapshot()

    async def after(self, preferred: str) -> Snapshot:
        """What the checks of an installation need. Raises `KubeError` if the server does not answer.

        `preferred` is the namespace for the dry run if it may be injected.
        """
        await self._learn_version()
        await asyncio.gather(
            self._learn_clock(),
            self._learn_kagent(),
            self._list(Part.NODES, "/api/v1/nodes"),
            self._list(Part.RELEASES, "/apis/apps/v1/deployments", labelSelector=PART_OF),
            self._webhooks(),
            self._definitions(),
            self._list(Part.NAMESPACES, "/api/v1/namespaces"),
            self._workloads(),
            self._placed(Part.PODS, "/api/v1", "pods", _is_ours),
            self._placed(Part.AGENTS, "/apis/kagent.dev/v1alpha2", "agents"),
            self._placed(Part.POLICIES, _HOTPEERS, "spawnpolicies"),
            self._placed(Part.ORCHESTRATORS, _HOTPEERS, "orchestrators"),
            self._placed(Part.QUOTAS, "/api/v1", "resourcequotas"),
            self._placed(Part.EVENTS, "/api/v1", "events", fieldSelector="reason=FailedCreate"),
        )
        known = self._snapshot()
        await asyncio.gather(
            *map(self._of_release, (*controllers(known), *hubs(known), *consoles(known))),
            self._slices(known),
            self._review(Part.RIGHTS, wanted_rights(known)),
            self._credentials(known),
            self._tokens(known),
        )
        trial = await self._try(trial_namespace(self._snapshot(), preferred))
        return replace(self._snapshot(), trial=trial)

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            version=self._version,
            skew=self._skew,
            kagent=tuple(self._kagent),
            objects={name: tuple(found) for name, found in self._objects.items()},
            unread=dict(self._unread),
            rights=dict(self._rights),
            absent=frozenset(self._absent),
            namespace=self.namespace,
        )

    async def _learn_version(self) -> None:
        answer = await self.client.get("/version")
        numbers = [
            "".join(c for c in text(answer, one)[:8] if c in digits) for one in ("major", "minor")
        ]
        if not all(numbers):
            raise KubeError("/version: the answer names no version; is this an API server?")
        self._version = (int(numbers[0]), int(numbers[1]))

    async def _learn_clock(self) -> None:
        before = time.time()
        date = await self._safe(Part.CLOCK, self.client.date("/version"))
        if date is None:
            return
        try:
            told = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            self._unread[Part.CLOCK] = Unread("its answers have no valid Date", forbidden=False)
            return
        # The header is cut to whole seconds.
        self._skew = told + 0.5 - (before + time.time()) / 2

    async def _learn_kagent(self) -> None:
        for group in ("kagent.dev", "api.kagent.dev"):
            found = await self._safe(Part.KAGENT, self.client.get(f"/apis/{group}"), missing={})
            versions = [text(one, "version") for one in items(found, "versions")]
            self._kagent += [f"{group}/{version}" for version in versions]

    async def _webhooks(self) -> None:
        for kind in ("Mutating", "Validating"):
            path = f"{_ADMISSION}/{kind.lower()}webhookconfigurations"
            await self._list(
                Part.WEBHOOKS,
                path,
                lambda one: bool(webhooks_of(one)),
                kind=f"{kind}WebhookConfiguration",
            )

    async def _definitions(self) -> None:
        for one in definitions():
            name = one["metadata"]["name"]
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
            await self._get(Part.DEFINITIONS, path)

    async def _workloads(self) -> None:
        for kind in ("Deployment", "StatefulSet", "DaemonSet"):
            resource = f"{kind.lower()}s"
            await self._placed(Part.WORKLOADS, "/apis/apps/v1", resource, _asks, kind=kind)

    async def _of_release(self, release: Release) -> None:
        place = f"/api/v1/namespaces/{release.namespace}"
        policies = f"/apis/networking.k8s.io/v1/namespaces/{release.namespace}/networkpolicies"
        component = text(release.labels, "app.kubernetes.io/component")
        query = f"{PART_OF},app.kubernetes.io/component={component}"
        await self._list(Part.OWN_PODS, f"{place}/pods", labelSelector=query)
        if component == "controller":
            await self._list(Part.NETWORK_POLICIES, policies)
            if release.certificate_secret:
                name = quote(release.certificate_secret, safe="")
                await self._get(Part.CERTIFICATES, f"{place}/secrets/{name}")
        elif component == "hub":
            secret = release.settings.get("HOTPEERS_KEY_SECRET", "").rpartition("/")[2]
            name = quote(secret or "hotpeers-hub-key", safe="")
            await self._get(Part.HUB_KEY, f"{place}/secrets/{name}")

    async def _slices(self, known: Snapshot) -> None:
        hooks = [hook for one in known.of(Part.WEBHOOKS) for hook in webhooks_of(one)]
        services = [part(hook, "clientConfig", "service") for hook in hooks]
        keys = {(text(one, "namespace"), text(one, "name")) for one in services if one}
        for namespace, name in sorted(keys):
            path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
            await self._list(Part.SLICES, path, labelSelector=f"kubernetes.io/service-name={name}")
        if not keys:
            self._objects.setdefault(Part.SLICES, [])

    async def _credentials(self, known: Snapshot) -> None:
        names = (name.partition("/") for name in named_credentials(known))
        paths = [f"/api/v1/namespaces/{space}/secrets/{secret}" for space, _, secret in names]
        await asyncio.gather(
            *(self._get(Part.CREDENTIALS, path, metadata_only=True) for path in paths)
        )

    async def _tokens(self, known: Snapshot) -> None:
        if not hubs(known):
            return
        paths = [
            f"/api/v1/namespaces/{one.key.namespace}/secrets/{one.token_secret}"
            for one in orchestrators(known)
        ]
        await asyncio.gather(*(self._get(Part.TOKENS, path) for path in paths))

    async def _review(self, name: Part, rights: Iterable[Right]) -> None:
        """Ask which rights are granted. After the first refusal, ask no more."""

        async def ask(right: Right) -> None:
            if name in self._unread:
                return
            action = {
                "verb": right.verb,
                "group": right.group,
                "resource": right.resource.partition("/")[0],
                "subresource": right.resource.partition("/")[2],
                "name": right.name,
                "namespace": right.namespace,
            }
            spec: Json = {"resourceAttributes": {key: one for key, one in action.items() if one}}
            kind = "SelfSubjectAccessReview"
            if right.account:
                kind = "SubjectAccessReview"
                spec |= {"user": right.account, "groups": _groups(right.account)}
            body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
            path = f"{_AUTHORIZATION}/{kind.lower()}s"
            answer = await self._safe(name, self.client.post(path, body))
            if answer is not None:
                self._rights[right] = part(answer, "status").get("allowed") is True

        self._objects.setdefault(name, [])
        await asyncio.gather(*map(ask, rights))

    async def _try(self, namespace: str) -> Trial:
        path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
        try:
            return Trial(namespace, pod=await self.client.post(path, trial_pod()))
        except KubeError as error:
            return Trial(namespace, refusal=str(error))

    async def _placed(
        self, name: Part, group: str, resource: str, keep: Keep = _all, kind: str = "", **query: str
    ) -> None:
        """List a namespaced kind, in one namespace or in all."""
        place = f"/namespaces/{self.namespace}" if self.namespace else ""
        await self._list(name, f"{group}{place}/{resource}", keep, kind, **query)

    async def _list(
        self, name: Part, path: str, keep: Keep = _all, kind: str = "", **query: str
    ) -> None:
        async def read() -> list[Json]:
            return [
                {"kind": kind or _KINDS.get(name, ""), **one}
                async for page in list_pages(self.client, path, query)
                for one in page.items
                if _is_object(one) and keep(one)
            ]

        found = await self._safe(name, read(), missing=[])
        if found is not None:
            self._objects.setdefault(name, []).extend(found)

    async def _get(self, name: Part, path: str, *, metadata_only: bool = False) -> None:
        """Read one object; a missing one is noted."""
        read = self.client.metadata if metadata_only else self.client.get
        found = await self._safe(name, read(path), missing={})
        if found is None:
            return
        known = self._objects.setdefault(name, [])
        if not found:
            *_, namespace, resource, title = path.split("/")
            if resource == "secrets":
                self._absent.add(f"{namespace}/{title}")
        elif not metadata_only and _is_object(found):
            known.append(found)

    async def _safe(self, name: Part, asked: Awaitable[Any], missing: Any = None) -> Any:
        """The answer, `missing` for 404; None after an error, which is noted."""
        async with self._gate:
            try:
                return await asked
            except NotFoundError as error:
                if missing is not None:
                    return missing
                self._unread.setdefault(name, Unread(str(error), forbidden=False))
            except KubeError as error:
                forbidden = isinstance(error, ForbiddenError)
                self._unread.setdefault(name, Unread(str(error), forbidden=forbidden))
        return None


_KINDS = {
    Part.NODES: "Node",
    Part.RELEASES: "Deployment",
    Part.NAMESPACES: "Namespace",
    Part.PODS: "Pod",
    Part.OWN_PODS: "Pod",
    Part.AGENTS: "Agent",
    Part.POLICIES: "SpawnPolicy",
    Part.ORCHESTRATORS: "Orchestrator",
    Part.QUOTAS: "ResourceQuota",
    Part.NETWORK_POLICIES: "NetworkPolicy",
}
"""The kinds of lists, whose items name no kind."""


def _groups(account: str) -> list[str]:
    namespace = account.split(":")[2]
    return [
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    ]

"""Pods of a node as the tests look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kit.apiserver.client import Api, ApiError, Object
from kit.node.node import is_true
from kit.waiting import TookTooLongError, until

_SECONDS = 90.0


@dataclass(frozen=True)
class Pod:
    """One pod as it was at one moment."""

    manifest: Object

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.manifest["metadata"]["uid"])

    @property
    def address(self) -> str:
        return str(self.manifest["status"].get("podIP", ""))

    @property
    def annotations(self) -> dict[str, str]:
        return dict(self.manifest["metadata"].get("annotations") or {})

    @property
    def is_ready(self) -> bool:
        return is_true(self.manifest, "Ready") and not self.is_ending

    @property
    def is_ending(self) -> bool:
        return "deletionTimestamp" in self.manifest["metadata"]

    @property
    def containers(self) -> dict[str, Object]:
        """The status of each container by its name, those of before the start included."""
        status = self.manifest["status"]
        kinds = ("initContainerStatuses", "containerStatuses")
        return {one["name"]: one for kind in kinds for one in status.get(kind) or []}

    def restarts(self, container: str) -> int:
        return int(self.containers[container]["restartCount"])

    @property
    def reference(self) -> Object:
        metadata = self.manifest["metadata"]
        place = {"name": metadata["name"], "namespace": metadata["namespace"]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": place}


def list_pods(api: Api, namespace: str, selector: Mapping[str, str]) -> list[Pod]:
    """The pods of these labels, those that are ending included."""
    text = ",".join(f"{name}={value}" for name, value in selector.items())
    found = api.list("v1", "Pod", namespace, labelSelector=text)
    return [Pod({"apiVersion": "v1", "kind": "Pod", **one}) for one in found["items"]]


def wait_for_pod(
    api: Api,
    namespace: str,
    selector: Mapping[str, str],
    wanted: Callable[[Pod], bool] = lambda pod: pod.is_ready,
    seconds: float = _SECONDS,
) -> Pod:
    """Wait for a pod of these labels to be ready, or in the wanted state.

    The error shows its state.
    """

    def probe() -> Pod | None:
        return next((one for one in list_pods(api, namespace, selector) if wanted(one)), None)

    try:
        return until(f"a pod of {dict(selector)}", probe, seconds)
    except TookTooLongError as error:
        raise AssertionError(f"{error}\n{describe(api, namespace)}") from error


def wait_until_gone(api: Api, pod: Pod, seconds: float = _SECONDS) -> None:
    """Wait until a pod has ended and is forgotten."""
    namespace = pod.reference["metadata"]["namespace"]

    def probe() -> bool:
        return all(one.uid != pod.uid for one in list_pods(api, namespace, {}))

    until(f"the end of {pod.name}", probe, seconds)


def describe(api: Api, namespace: str) -> str:
    """A report for people: the states of the pods of a namespace, and its events."""
    lines = []
    for pod in list_pods(api, namespace, {}):
        states = {name: one.get("state") for name, one in pod.containers.items()}
        lines.append(f"{pod.name} {pod.manifest['status'].get('phase')} {states}")
        for name in pod.containers:
            with suppress(ApiError):
                lines += read_log(api, pod, name).splitlines()[-12:]
    for event in api.list("v1", "Event", namespace)["items"]:
        about: dict[str, Any] = event["involvedObject"]
        lines.append(
            f"{about.get('kind')}/{about.get('name')}: {event['reason']}: {event['message']}"
        )
    return "\n".join(lines)


def read_log(api: Api, pod: Pod, container: str) -> str:
    """The output of a container."""
    path = f"{api.path(pod.reference)}/log?container={container}"
    return api.request("GET", path).get("message", "")

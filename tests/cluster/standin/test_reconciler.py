"""The stand-in of kagent's controller at a real API server: what it writes, when, and what it leaves."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator

import pytest

from e2e.configuration import HASH, config_hash
from e2e.models import secret_hash
from e2e.reconciler import Reconciler
from e2e.site import Site
from kit.apiserver.client import ApiError, Object
from kit.apiserver.resources import MCP_SERVERS, MODEL_CONFIGS, agent, install_crd
from kit.apiserver.server import Cluster
from kit.waiting import until

_SECONDS = 20.0
_KAGENT = "kagent.dev/v1alpha2"


class Scene:
    """One namespace with a ModelConfig, its Secret, and an Agent that the stand-in sees to."""

    def __init__(self, cluster: Cluster, namespace: str, reconciler: Reconciler) -> None:
        self.api = cluster.api
        self.namespace = namespace
        self.reconciler = reconciler

    def reference(self, version: str, kind: str, name: str) -> Object:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": version, "kind": kind, "metadata": metadata}

    def write_key(self, key: str) -> Object:
        data = {"key": b64encode(key.encode()).decode()}
        return self.api.apply({**self.reference("v1", "Secret", "model-key"), "data": data})

    def start(self) -> None:
        self.write_key("first")
        spec = {"model": "small", "apiKeySecret": "model-key", "apiKeySecretKey": "key"}
        self.api.create({**self.reference(_KAGENT, "ModelConfig", "main"), "spec": spec})
        own = {"runtime": "python", "modelConfig": "main", "systemMessage": "Help."}
        self.api.create(agent(self.namespace, "one", declarative=own))

    def change(self, message: str) -> None:
        declarative = {"declarative": {"systemMessage": message}}
        self.api.patch(self.reference(_KAGENT, "Agent", "one"), {"spec": declarative})

    def deployment(self) -> Object:
        return self.api.read(self.reference("apps/v1", "Deployment", "one"))

    def wanted_hash(self) -> str:
        """The hash of what the API server has of the configuration."""
        secret = self.api.read(self.reference("v1", "Secret", "one"))
        files = {key: b64decode(value).decode() for key, value in secret["data"].items()}
        model = self.api.read(self.reference(_KAGENT, "ModelConfig", "main"))
        return config_hash(files, bytes.fromhex(model["status"]["secretHash"]))

    def wait_for_hash(self, other_than: str = "") -> str:
        """Wait until the Deployment has the hash of the configuration, and return it."""

        def settled() -> str | None:
            try:
                hashed = self.deployment()["spec"]["template"]["metadata"]["annotations"][HASH]
                wanted = self.wanted_hash()
            except (ApiError, KeyError):
                return None  # not all written yet
            return str(hashed) if hashed == wanted != other_than else None

        return until("the hash of the configuration", settled, _SECONDS)


@pytest.fixture
def scene(cluster: Cluster, namespace: str, crds: list[str]) -> Iterator[Scene]:
    assert crds
    for definition in (MODEL_CONFIGS, MCP_SERVERS):
        install_crd(cluster.api, definition)
    reconciler = Reconciler(cluster.access)
    reconciler.start()
    made = Scene(cluster, namespace, reconciler)
    made.start()
    yield made
    reconciler.close()


def test_hash_covers_the_secret_of_the_model(scene: Scene) -> None:
    scene.reconciler.follow(scene.namespace, Site())
    first = scene.wait_for_hash()
    secret = scene.write_key("second")
    second = scene.wait_for_hash(other_than=first)
    model = scene.api.read(scene.reference(_KAGENT, "ModelConfig", "main"))
    assert model["status"]["secretHash"] == secret_hash([secret])
    place = f"{scene.namespace}/model-key".encode()
    assert secret_hash([secret]) == hashlib.sha256(place + b"key" + b"second").hexdigest()
    assert second != first


def test_change_is_written_and_foreign_annotations_are_kept(scene: Scene) -> None:
    scene.reconciler.follow(scene.namespace, Site())
    first = scene.wait_for_hash()
    theirs = {"metadata": {"annotations": {"example.com/a": "1"}, "labels": {"example.com/b": "2"}}}
    scene.api.patch(scene.deployment(), {**theirs, "spec": {"template": theirs}})
    scene.change("Help more.")
    scene.wait_for_hash(other_than=first)
    found = scene.deployment()
    for metadata in (found["metadata"], found["spec"]["template"]["metadata"]):
        assert metadata["annotations"]["example.com/a"] == "1"
        assert metadata["labels"]["example.com/b"] == "2"


def test_hash_that_another_writer_changed_is_written_again(scene: Scene) -> None:
    scene.reconciler.follow(scene.namespace, Site())
    first = scene.wait_for_hash()
    template = {"metadata": {"annotations": {HASH: "1"}}}
    scene.api.patch(scene.deployment(), {"spec": {"template": template}})
    assert scene.wait_for_hash() == first


def test_resync_writes_again_without_a_change(scene: Scene) -> None:
    scene.reconciler.follow(scene.namespace, Site(), resync=0.2)
    scene.wait_for_hash()
    writes = scene.reconciler.writes
    until("the first resync", lambda: scene.reconciler.writes > writes, _SECONDS)
    before, writes = scene.deployment(), scene.reconciler.writes
    until("more resyncs", lambda: scene.reconciler.writes > writes + 12, _SECONDS)
    assert (
        scene.deployment()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    )


def test_no_write_without_resync_or_change(scene: Scene) -> None:
    scene.reconciler.follow(scene.namespace, Site())
    scene.wait_for_hash()
    reconciler = scene.reconciler
    seen = (reconciler.looks, reconciler.writes)

    def is_quiet() -> bool:
        nonlocal seen
        if reconciler.writes != seen[1]:
            seen = (reconciler.looks, reconciler.writes)
        return reconciler.looks > seen[0] + 10

    until("ten looks without a write", is_quiet, _SECONDS)

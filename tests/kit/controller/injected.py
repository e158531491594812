"""Pods as the webhook leaves them, for tests that need no webhook."""

from __future__ import annotations

import copy

import jsonpatch

from hotpeers.inject.injector import make_patch
from hotpeers.inject.outcome import Injection
from kit.apiserver.client import Object

_ASKS = {"hotpeers.dev/inject": "true"}


def injected(pod: Object, *, native_sidecars: bool = True) -> Object:
    """A copy of the pod with everything that injection puts into it."""
    pod = copy.deepcopy(pod)
    metadata = pod["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **_ASKS}
    settings = Injection(image="hotpeers:1", native_sidecars=native_sidecars)
    verdict = make_patch(pod, metadata["namespace"], settings)
    assert verdict.injected, verdict
    made: Object = jsonpatch.apply_patch(pod, list(verdict.operations))
    return made

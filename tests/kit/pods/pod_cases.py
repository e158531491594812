"""Each case: NAME.pod.yaml, and NAME.patch.json with what is to become of that pod.

Those in `shapes` are pods as other controllers and injectors make them.

A second YAML document changes the settings. After a change that is meant, write the patches anew,
and read the difference:

    PYTHONPATH=tests python -m kit.pods.pod_cases
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hotpeers.inject.injector import make_patch
from hotpeers.inject.outcome import Injection, Patch

FOLDER = Path(__file__).parent / "cases"
NAMESPACE = "team"
RESOURCES = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
INJECTION = Injection("hotpeers:1", resources=RESOURCES)


@dataclass(frozen=True)
class Case:
    name: str
    pod: dict[str, Any]
    injection: Injection

    @property
    def expected(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text()))

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.patch.json"

    def patch(self) -> Patch:
        return make_patch(self.pod, NAMESPACE, self.injection)


def all_cases() -> list[Case]:
    return [_read(path) for path in sorted(FOLDER.rglob("*.pod.yaml"))]


def _read(path: Path) -> Case:
    pod, *rest = yaml.safe_load_all(path.read_text())
    settings = {"image": INJECTION.image, "resources": RESOURCES, **(rest[0] if rest else {})}
    identity = {"apiVersion": "v1", "kind": "Pod"}
    # As Kubernetes does before it asks a webhook.
    pod["spec"].setdefault("serviceAccountName", "default")
    name = str(path.relative_to(FOLDER)).removesuffix(".pod.yaml")
    return Case(name, {**identity, **pod}, Injection(**settings))


def describe(patch: Patch) -> dict[str, Any]:
    return {
        "skip": patch.skip.reason.value if patch.skip else None,
        "warnings": list(patch.warnings),
        "patch": list(patch.operations),
    }


if __name__ == "__main__":
    for case in all_cases():
        case.file.write_text(json.dumps(describe(case.patch()), indent=1) + "\n")

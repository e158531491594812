"""What the Deployments of hotpeers say of the installation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..base.parts import items, number, part, text
from .snapshot import Json, Part, Snapshot, place_of

COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of=hotpeers"
VERSION = "app.kubernetes.io/version"
_WEBHOOK_PORT, WEBHOOK_PORT_NAME = 9443, "webhook"
_ENDING = ".hotpeers.dev"
_INJECTORS = tuple(
    f"{canary}{opted_in}inject.hotpeers.dev"
    for canary in ("", "canary.")
    for opted_in in ("", "namespace.")
)


@dataclass(frozen=True, slots=True)
class Release:
    """A Deployment of the controller, the hub or the console. `settings` are its environment variables."""

    where: str
    namespace: str
    account: str
    version: str
    labels: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
    cert_manager_secret: str = ""
    replicas: int = 1

    @property
    def user(self) -> str:
        """The user name of its ServiceAccount."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"

    @property
    def webhook_port(self) -> int:
        """The port of its pods that serves the webhooks."""
        port = self.settings.get("HOTPEERS_LISTEN", "").rpartition(":")[2]
        return int(port) if port.isdecimal() and len(port) <= 5 else _WEBHOOK_PORT

    @property
    def certificate_secret(self) -> str:
        """The Secret with the certificate that it serves."""
        own = self.settings.get("HOTPEERS_CERTIFICATE_SECRET", "hotpeers-certificates")
        return self.cert_manager_secret if self.settings.get("HOTPEERS_CERTIFICATE_DIR") else own

    @property
    def sidecar_image(self) -> str:
        """The image of injected containers."""
        return self.settings.get("HOTPEERS_IMAGE", "")

    @property
    def sidecar_resources(self) -> Json:
        """The amounts of injected containers; {} if they are unknown."""
        try:
            found = json.loads(self.settings.get("HOTPEERS_SIDECAR_RESOURCES") or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def has(self, name: str) -> bool:
        """Whether a configuration is set and not disabled by `none`."""
        return self.settings.get(name, "") not in ("", "none")


def controllers(snapshot: Snapshot) -> list[Release]:
    """The Deployments of the controller."""
    return list(_releases(snapshot.of(Part.RELEASES), "controller"))


def hubs(snapshot: Snapshot) -> list[Release]:
    """The Deployments of the hub."""
    return list(_releases(snapshot.of(Part.RELEASES), "hub"))


def consoles(snapshot: Snapshot) -> list[Release]:
    """The Deployments of the console."""
    return list(_releases(snapshot.of(Part.RELEASES), "console"))


def webhooks_of(configuration: Json) -> list[Json]:
    """The webhooks of hotpeers in a configuration."""
    found = items(configuration, "webhooks")
    return [one for one in found if text(one, "name").endswith(_ENDING)]


def injectors(snapshot: Snapshot) -> list[Json]:
    """The webhook configurations that inject pods."""
    found = snapshot.of(Part.WEBHOOKS)
    return [
        one for one in found if any(text(hook, "name") in _INJECTORS for hook in webhooks_of(one))
    ]


def injecting_webhooks(snapshot: Snapshot) -> list[Json]:
    """The webhooks that inject pods."""
    every = (hook for one in injectors(snapshot) for hook in webhooks_of(one))
    return [hook for hook in every if text(hook, "name") in _INJECTORS]


def _releases(deployments: Iterable[Json], component: str) -> Iterable[Release]:
    for one in deployments:
        spec = part(one, "spec", "template", "spec")
        if text(one, "metadata", "labels", COMPONENT) != component:
            continue
        containers = [it for it in items(spec, "containers") if isinstance(it, dict)]
        env = [entry for it in containers[:1] for entry in items(it, "env")]
        secrets = {
            text(volume, "name"): text(volume, "secret", "secretName")
            for volume in items(spec, "volumes")
        }
        yield Release(
            where=place_of(one),
            namespace=text(one, "metadata", "namespace"),
            account=text(spec, "serviceAccountName") or "default",
            version=text(one, "metadata", "labels", VERSION),
            labels=part(one, "spec", "template", "metadata", "labels"),
            settings={text(entry, "name"): text(entry, "value") for entry in env},
            cert_manager_secret=secrets.get("certificates", ""),
            replicas=number(one, "spec", "replicas", default=1),
        )

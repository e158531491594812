"""Where the API server is and who we are to it: in a pod its service account, else a kubeconfig."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.errors import ConnectionConfigError
from .lazy import import_lazily

import_lazily()

from kubernetes_asyncio.client import Configuration  # noqa: E402 - lazily, see above
from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader  # noqa: E402
from kubernetes_asyncio.config.kube_config import (  # noqa: E402
    KUBE_CONFIG_DEFAULT_LOCATION,
    load_kube_config,
)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    """What was asked for. `kubeconfig` may name several files as KUBECONFIG does; "" is the default.

    Without a kubeconfig or a context, a pod's service account is taken where there is one.
    """

    kubeconfig: str = ""
    context: str = ""
    service_account: Path = SERVICE_ACCOUNT

    @property
    def in_cluster(self) -> bool:
        """Whether this process is in a pod, and is to act as its service account."""
        asked = self.kubeconfig or self.context
        return not asked and (self.service_account / "token").exists()


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the server as of now, and the namespace that stands for "here"."""

    configuration: Any
    namespace: str


async def connect(access: Access) -> Connection:
    """Read the configuration, anew each time; `ConnectionConfigError` where there is none."""
    configuration = Configuration()
    # Go's clients, which clusters are made for, do not ask for the extensions that Python does
    # since 3.13 (X509_STRICT); who signed for which host is still verified.
    configuration.disable_strict_ssl_verification = True
    try:
        if access.in_cluster:
            namespace = _in_cluster(access, configuration)
        else:
            namespace = await _from_kubeconfig(access, configuration)
    except ConnectionConfigError:
        raise
    # A kubeconfig is any YAML, and its plugins are any program: what they raise has no end.
    except Exception as error:
        where = _where(access)
        raise ConnectionConfigError(f"{where}: {str(error) or type(error).__name__}") from error
    return Connection(configuration, namespace)


def _in_cluster(access: Access, configuration: Configuration) -> str:
    folder = access.service_account
    loader = InClusterConfigLoader(
        token_filename=str(folder / "token"), cert_filename=str(folder / "ca.crt")
    )
    loader.load_and_set(configuration)
    try:
        return (folder / "namespace").read_text("utf-8").strip() or "default"
    except FileNotFoundError:
        return "default"


async def _from_kubeconfig(access: Access, configuration: Configuration) -> str:
    name = access.kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION
    if not _exists(name):
        raise ConnectionConfigError(
            f"{_where(access)}: there is no such file, and this is no pod with a service account"
        )
    loader = await load_kube_config(
        config_file=name,
        context=access.context or None,
        client_configuration=configuration,
        persist_config=False,
    )
    context = (loader.current_context or {}).get("context") or {}
    return str(context.get("namespace") or "default")


def _exists(names: str) -> bool:
    return any(Path(name).expanduser().exists() for name in names.split(":") if name)


def _where(access: Access) -> str:
    if access.in_cluster:
        return f"the service account in {access.service_account}"
    context = f", context {access.context}" if access.context else ""
    return f"--kubeconfig (KUBECONFIG) {access.kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION}{context}"

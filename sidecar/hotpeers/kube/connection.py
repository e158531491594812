"""Address and credentials for the API server, from a pod's service account or a kubeconfig."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotpeers_shim.contract import clean_text

from ..base.errors import ConnectionConfigError
from .lazy import import_lazily

import_lazily()

from kubernetes_asyncio.client import Configuration  # noqa: E402 - lazily, see above
from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader  # noqa: E402
from kubernetes_asyncio.config.kube_config import (  # noqa: E402
    KUBE_CONFIG_DEFAULT_LOCATION,
    load_kube_config,
)

# The client takes an empty KUBECONFIG for a path; kubectl does not.
_DEFAULT = KUBE_CONFIG_DEFAULT_LOCATION or "~/.kube/config"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    """The requested access. `kubeconfig` may name several files, as KUBECONFIG does; "" is the default.

    Without a kubeconfig and a context, the service account of the pod is used if there is one.
    """

    kubeconfig: str = ""
    context: str = ""
    service_account: Path = SERVICE_ACCOUNT

    @property
    def in_cluster(self) -> bool:
        """Whether this process runs in a pod and uses its service account."""
        asked = self.kubeconfig or self.context
        return not asked and (self.service_account / "token").exists()


@dataclass(frozen=True, slots=True)
class Connection:
    """The client configuration as last read, and the default namespace."""

    configuration: Any
    namespace: str


async def connect(access: Access) -> Connection:
    """Read the configuration; nothing is cached. Raises `ConnectionConfigError` if that fails."""
    configuration = Configuration()
    # Python requires certificate extensions since 3.13 (X509_STRICT) that Go clients do not require,
    # and clusters are built for Go clients. Signatures and host names are still verified.
    configuration.disable_strict_ssl_verification = True
    try:
        if access.in_cluster:
            namespace = _in_cluster(access, configuration)
        else:
            namespace = await _from_kubeconfig(access, configuration)
    except ConnectionConfigError:
        raise
    # A kubeconfig is arbitrary YAML and its plugins are arbitrary programs: any error is possible.
    except Exception as error:
        where = _where(access)
        what = str(error) or type(error).__name__
        if isinstance(error, (TypeError, AttributeError, LookupError, AssertionError)):
            what = f"this is not a kubeconfig ({what})"
        raise ConnectionConfigError(f"{where}: {what}") from error
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
    name = access.kubeconfig or _DEFAULT
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


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a record of the client's configuration says more than the error that is raised.

    It may have the words of a plugin, which are cleaned.
    """
    record.msg, record.args = clean_text(record.getMessage(), 600), None
    return sys.exc_info()[1] is None


logging.getLogger("kubernetes_asyncio.config.kube_config").addFilter(_is_news)


def _where(access: Access) -> str:
    if access.in_cluster:
        return f"the service account in {access.service_account}"
    context = f", context {access.context}" if access.context else ""
    return f"--kubeconfig (KUBECONFIG) {access.kubeconfig or _DEFAULT}{context}"

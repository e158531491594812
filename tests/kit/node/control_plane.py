"""etcd and the servers of Kubernetes: how they are started on a node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kit.apiserver.certificates import Authority, write_signing_key
from kit.apiserver.client import Access
from kit.apiserver.server import ISSUER
from kit.node import addresses


@dataclass(frozen=True)
class Identities:
    """The certificates and kubeconfigs of everything that speaks on a node."""

    authority: Authority
    signing_key: Path
    api_server: tuple[Path, Path]
    kubelet: tuple[Path, Path]
    kubelet_client: tuple[Path, Path]
    admin: Access
    kubeconfigs: dict[str, Path]


def make_identities(folder: Path) -> Identities:
    """Make them all, signed by a new authority."""
    authority = Authority(folder)
    node = f"system:node:{addresses.NODE_NAME}"
    users = {
        "kubelet": authority.client(node, "system:nodes"),
        "controller-manager": authority.client("system:kube-controller-manager"),
        "scheduler": authority.client("system:kube-scheduler"),
        "proxy": authority.client("system:kube-proxy"),
        # The group that RBAC does not restrict.
        "admin": authority.client("admin", "system:masters"),
    }
    accesses = {
        name: Access(addresses.API_URL, authority.file, certificate=one)
        for name, one in users.items()
    }
    return Identities(
        authority,
        write_signing_key(folder),
        authority.server("kube-apiserver", addresses.NODE, addresses.FIRST_SERVICE),
        authority.server("kubelet", addresses.NODE),
        authority.client("kube-apiserver-to-kubelet", "system:masters"),
        accesses["admin"],
        {
            name: access.write_kubeconfig(folder / f"{name}.kubeconfig")
            for name, access in accesses.items()
        },
    )


def etcd(program: Path, folder: Path) -> list[str | Path]:
    """The command of etcd."""
    peer = addresses.ETCD_PEER_URL
    return [
        program,
        f"--data-dir={folder}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={addresses.ETCD_URL}",
        f"--advertise-client-urls={addresses.ETCD_URL}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def api_server(program: Path, identities: Identities) -> list[str | Path]:
    """The command of kube-apiserver."""
    certificate, key = identities.api_server
    client_certificate, client_key = identities.kubelet_client
    return [
        program,
        f"--etcd-servers={addresses.ETCD_URL}",
        # The endpoint of the Service `kubernetes`, which must not be a loopback address.
        f"--bind-address={addresses.NODE}",
        f"--advertise-address={addresses.NODE}",
        f"--secure-port={addresses.API_PORT}",
        f"--service-cluster-ip-range={addresses.SERVICES}",
        f"--client-ca-file={identities.authority.file}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--service-account-key-file={identities.signing_key}",
        f"--service-account-signing-key-file={identities.signing_key}",
        f"--service-account-issuer={ISSUER}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-certificate-authority={identities.authority.file}",
        f"--kubelet-client-certificate={client_certificate}",
        f"--kubelet-client-key={client_key}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def controller_manager(program: Path, identities: Identities) -> list[str | Path]:
    """The command of kube-controller-manager."""
    return [
        program,
        *_kubeconfigs(identities.kubeconfigs["controller-manager"]),
        "--use-service-account-credentials",
        f"--service-account-private-key-file={identities.signing_key}",
        f"--root-ca-file={identities.authority.file}",
        "--flex-volume-plugin-dir=/var/lib/kubelet/volumeplugins",
        # A namespace is emptied by one request for each kind, and tests wait for it.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def scheduler(program: Path, identities: Identities) -> list[str | Path]:
    """The command of kube-scheduler."""
    return [program, *_kubeconfigs(identities.kubeconfigs["scheduler"])]


def _kubeconfigs(file: Path) -> list[str]:
    names = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [
        *(f"--{one}={file}" for one in names),
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    ]

"""kubelet and kube-proxy: their settings, each with the trap that it avoids."""

from __future__ import annotations

import json
from pathlib import Path

from kit.node import addresses
from kit.node.control_plane import Identities
from kit.node.machine import CGROUP

_PODS = 250


def kubelet(program: Path, folder: Path, identities: Identities) -> list[str | Path]:
    """Write the settings of kubelet and return its command."""
    certificate, key = identities.kubelet
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        # Since 1.35 it ends where it finds cgroups v1.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "address": addresses.NODE,
        "healthzBindAddress": "127.0.0.1",
        "tlsCertFile": str(certificate),
        "tlsPrivateKeyFile": str(key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(identities.authority.file)},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [addresses.DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": "/etc/resolv.conf",
        "failSwapOn": False,
        # Tests kill containers again and again; usually the fifth time waits minutes.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
        "maxPods": _PODS,
        "volumePluginDir": "/var/lib/kubelet/volumeplugins",
        # Images cannot be pulled again, so they must not be garbage-collected.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
        },
    }
    return [
        program,
        f"--config={_write(folder / 'kubelet.json', settings)}",
        f"--kubeconfig={identities.kubeconfigs['kubelet']}",
        f"--hostname-override={addresses.NODE_NAME}",
        f"--node-ip={addresses.NODE}",
    ]


def proxy(program: Path, folder: Path, identities: Identities) -> list[str | Path]:
    """Write the settings of kube-proxy and return its command."""
    settings = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "bindAddress": addresses.NODE,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "hostnameOverride": addresses.NODE_NAME,
        "clientConnection": {"kubeconfig": str(identities.kubeconfigs["proxy"])},
        "clusterCIDR": addresses.PODS,
        "detectLocalMode": "ClusterCIDR",
        # The limits of connections belong to the whole machine, and cannot be written from here.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    return [program, f"--config={_write(folder / 'kube-proxy.json', settings)}"]


def _write(file: Path, settings: object) -> Path:
    file.write_text(json.dumps(settings, indent=1))
    return file

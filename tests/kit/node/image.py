"""Images in the OCI layout, written file by file without a registry."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OCI = "application/vnd.oci.image"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Layer:
    """A layer on disk, as an uncompressed tar."""

    file: Path
    digest: str

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.file.stat().st_size


def write_layer(root: Path, file: Path) -> Layer:
    """Write the content of a folder as a reproducible layer: without times and owners."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = 0
        return member

    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, path.name, filter=plain)
    return read_layer(file)


def read_layer(file: Path) -> Layer:
    """A layer that was written before; its digest is kept beside it."""
    known = file.with_suffix(".digest")
    if not known.exists():
        with file.open("rb") as content:
            known.write_text(f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}")
    return Layer(file, known.read_text())


@dataclass(frozen=True)
class Image:
    """An image: its name, its layers, and its OCI `config`."""

    reference: str
    layers: Sequence[Layer]
    settings: dict[str, Any]

    @property
    def identity(self) -> str:
        """The same for the same image."""
        parts = [self.reference, [layer.digest for layer in self.layers], self.settings]
        return hashlib.sha256(_encode(parts)).hexdigest()

    def write(self, archive: Path) -> Path:
        """Write an archive that `ctr images import` takes."""
        return _write(self, archive)


def _write(image: Image, archive: Path) -> Path:
    layers = image.layers
    system = {"architecture": _ARCHITECTURES[platform.machine()], "os": "linux"}
    digests = [layer.digest for layer in layers]
    config = _encode(
        {**system, "config": image.settings, "rootfs": {"type": "layers", "diff_ids": digests}}
    )
    listed = [
        {"mediaType": f"{_OCI}.layer.v1.tar", "digest": one.digest, "size": one.size}
        for one in layers
    ]
    manifest = _encode(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _describe(config, "config.v1+json"),
            "layers": listed,
        }
    )
    names = {
        "io.containerd.image.name": image.reference,
        "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
    }
    described = {**_describe(manifest, "manifest.v1+json"), "platform": system}
    index = _encode(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.index.v1+json",
            "manifests": [{**described, "annotations": names}],
        }
    )
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", index)
        for blob in (config, manifest):
            _add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        for layer in layers:
            tar.add(layer.file, f"blobs/sha256/{layer.digest.removeprefix('sha256:')}")
    return archive


def _encode(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _describe(blob: bytes, kind: str) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": len(blob)}


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))

"""Verifies kagent's config-hash for the agent's process, as the shim does for its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hotpeers_shim.hot.folder import Folder
from hotpeers_shim.hot.hashing import Start, config_hash
from hotpeers_shim.hot.proof import Proof

from .files import Version
from .watch import Process


@dataclass(frozen=True, slots=True)
class Proven:
    """What is known about one version of the configuration.

    `wanted` identifies it together with the Secrets. `seen` is its config-hash, "" if nothing is held.
    `hash` is that hash if the process is proven to run it. `rotated` is whether the process lacks the
    Secrets of the wanted hash.
    """

    wanted: str
    seen: str = ""
    hash: str = ""
    rotated: bool = False


class Proofs:
    """Verifies hashes. `folder` has the annotations of the pod."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._started: tuple[float, float] | None = None
        self._proof: Proof | None = None

    def of(self, version: Version, process: Process | None) -> Proven:
        """What is known about `version`, which `process` runs if its digest is the same."""
        wanted = self._folder.wanted()
        if wanted is None:
            return Proven(version.digest)
        seen = config_hash(version.content, wanted.secrets)
        secrets = hashlib.sha256(wanted.secrets).hexdigest()[:16]
        name = f"{version.digest}:{secrets}" if seen == wanted.hash else version.digest
        if process is None or process.digest != version.digest:
            return Proven(name, seen)
        started = process.since, process.restarted
        if self._proof is None or self._started != started:
            start = Start(version.content, self._folder.own_hash(), process.since)
            self._proof, self._started = Proof(start), started
        found, rotated = self._proof.of(seen, wanted)
        return Proven(name, seen, found, rotated)

"""The digest that identifies a template. The guard's stamp and the tools' answers use the same one."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest_of(spec: Any) -> str:
    """The digest of a spec's canonical JSON: sorted keys, no white space, UTF-8."""
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"

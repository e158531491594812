"""The allowed shape of agents of the shared policy, written independently of the guard."""

from __future__ import annotations

import re

from kit.apiserver.client import Object
from kit.closure import outside

# Stamps that are of now and here; `test_legitimate` looks at each of them.
_OWN = re.compile(
    "/metadata/(annotations/hotpeers.dev/(expires-at|policy|spawned-by-uid)"
    "|ownerReferences/#/uid) .*"
)


def beyond(live: Object) -> list[str]:
    """What of it no agent can hold."""
    return [one for one in outside(live) if not _OWN.fullmatch(one)]

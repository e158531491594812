"""What peers ask for: the operator's document, tokens, their delivery to the agent, and the relay.

Secrets live here and in the credential file alone. Nothing in here puts one into a message.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .keeper import CredentialKeeper


def make_keeper(
    document: Path | None, peer_file: Path, changed: Callable[[], None]
) -> CredentialKeeper | None:
    """The keeper of a document. Without one, an earlier run's credentials are taken back."""
    if document is None:
        from .delivery import Delivery  # noqa: PLC0415

        Delivery(peer_file).withdraw()
        return None
    # Imported late: most sidecars have none, and pydantic's models take memory.
    from .keeper import CredentialKeeper  # noqa: PLC0415

    return CredentialKeeper(document, peer_file, changed)

"""Ends a hold on the API server."""

from __future__ import annotations

from enum import Enum, auto

from ...base.parts import Json
from ...hold.release import release_patch
from ...hold.state import Hold, template_hash
from ...hold.workload import HeldDeployment, read_deployment
from ...kube.errors import KubeError, NotFoundError
from ..election import LeaderClient


class End(Enum):
    """The result of the patch that ends a hold."""

    DONE = auto()
    OVERTAKEN = auto()
    """The Deployment was changed or deleted before the patch."""
    HELD_AGAIN = auto()
    """The webhook held it again."""


async def release(writer: LeaderClient, one: HeldDeployment, hold: Hold | None) -> End:
    """End a hold. If `hold` is None, only remove the marks. Raises `KubeError`."""
    path = f"/apis/apps/v1/namespaces/{one.namespace}/deployments/{one.name}"
    try:
        found: Json = await writer.patch(path, release_patch(one.uid, hold, one.marks))
    except KubeError as error:
        # The Deployment was deleted or changed, and the watch will report it. A 422 may also come
        # from an admission policy that denies the update, so read the Deployment then.
        if error.status in (404, 409) or (
            error.status == 422 and await _is_another(writer, path, one)
        ):
            return End.OVERTAKEN
        raise
    done = hold is None or template_hash(found) == hold.wanted
    return End.DONE if done else End.HELD_AGAIN


async def _is_another(writer: LeaderClient, path: str, one: HeldDeployment) -> bool:
    try:
        now = read_deployment(await writer.get(path))
    except NotFoundError:
        return True
    seen = (one.uid, one.hold, one.template, one.marks)
    return (now.uid, now.hold, now.template, now.marks) != seen

"""The reader with a scripted client: clocks, refusals, and what it asks for."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from hotpeers.check.reader import Reader
from hotpeers.check.snapshot import Part, Snapshot
from hotpeers.kube.errors import ForbiddenError, KubeError, NotFoundError, ServerError

from .scene import PLACE, TEAM, healthy, kinds, sidecar_pod

Answers = dict[str, Any]


class Client:
    """Answers from a table by path; a list is answered in pages of one."""

    namespace = TEAM

    def __init__(self, answers: Answers, date: str | KubeError = "") -> None:
        self.answers = {"/version": {"major": "1", "minor": "33+"}, **answers}
        self.said = date
        self.asked: list[str] = []

    async def get(self, path: str, params: dict[str, str] | None = None) -> Any:
        self.asked.append(path)
        found = self.answers.get(path, NotFoundError("not found", 404))
        if isinstance(found, KubeError):
            raise found
        if not isinstance(found, list):
            return found
        at = int((params or {}).get("continue") or 0)
        more = str(at + 1) if at + 1 < len(found) else ""
        return {"items": found[at : at + 1], "metadata": {"continue": more}}

    async def metadata(self, path: str) -> Any:
        return (await self.get(path))["metadata"]

    async def date(self, _: str) -> str:
        if isinstance(self.said, KubeError):
            raise self.said
        return self.said

    async def post(self, path: str, body: Any) -> Any:
        self.asked.append(path)
        if "dryRun" in path:
            return sidecar_pod()
        if isinstance(answer := self.answers.get("review", {"allowed": True}), KubeError):
            raise answer
        return {**body, "status": answer}


async def read(answers: Answers, *, namespace: str = "", date: Any = "") -> tuple[Snapshot, Client]:
    client = Client(answers, date or formatdate(usegmt=True))
    return await Reader(client, namespace).after(TEAM), client  # type: ignore[arg-type]


@pytest.mark.parametrize("ahead", [-100, 0, 100])
async def test_skew_is_the_time_of_the_server_minus_ours(ahead: int) -> None:
    found, _ = await read({}, date=formatdate(time.time() + ahead, usegmt=True))
    assert abs(found.skew - ahead) < 2


async def test_date_that_is_none_leaves_the_clock_unknown() -> None:
    found, _ = await read({}, date="yesterday")
    assert found.unread[Part.CLOCK].forbidden is False


async def test_version_with_a_suffix_is_read() -> None:
    found, _ = await read({})
    assert found.version == (1, 33)


async def test_answer_that_names_no_version_ends_the_check() -> None:
    with pytest.raises(KubeError, match="no version"):
        await read({"/version": {"hello": 1}})


async def test_kind_that_is_not_served_has_no_objects() -> None:
    found, _ = await read({})
    assert found.of(Part.AGENTS) == ()
    assert found.knows(Part.AGENTS, Part.POLICIES, Part.PODS)
    assert not found.unread


async def test_refused_part_is_unknown_with_the_reason() -> None:
    found, _ = await read(
        {"/api/v1/nodes": ForbiddenError("no nodes", 403), "/api/v1/pods": ServerError("busy", 500)}
    )
    assert (found.unread[Part.NODES].message, found.unread[Part.NODES].forbidden) == (
        "no nodes",
        True,
    )
    assert found.unread[Part.PODS].forbidden is False
    assert set(found.unread) == {Part.NODES, Part.PODS}


async def test_all_pages_are_read_and_foreign_pods_dropped() -> None:
    foreign = {"metadata": {"namespace": TEAM, "name": "other"}, "spec": {"containers": []}}
    found, _ = await read({"/api/v1/pods": [sidecar_pod(), foreign, sidecar_pod()]})
    assert [one["metadata"]["name"] for one in found.of(Part.PODS)] == ["concierge", "concierge"]
    assert {one["kind"] for one in found.of(Part.PODS)} == {"Pod"}


async def test_one_namespace_is_read_if_it_is_named() -> None:
    _, client = await read({}, namespace=TEAM)
    assert f"/api/v1/namespaces/{TEAM}/pods" in client.asked
    assert f"/api/v1/namespaces/{TEAM}/pods?dryRun=All" in client.asked
    assert "/api/v1/pods" not in client.asked


async def test_second_round_follows_what_the_first_found() -> None:
    objects = healthy()
    names = "mutatingwebhookconfigurations"
    found, client = await read(
        {
            "/apis/apps/v1/deployments": kinds("Deployment"),
            f"/apis/admissionregistration.k8s.io/v1/{names}": objects[Part.WEBHOOKS][:1],
            "/apis/hotpeers.dev/v1alpha1/orchestrators": objects[Part.ORCHESTRATORS],
        }
    )
    assert f"/api/v1/namespaces/{PLACE}/secrets/hotpeers-certificates" in client.asked
    assert f"/apis/discovery.k8s.io/v1/namespaces/{PLACE}/endpointslices" in client.asked
    assert f"{PLACE}/hotpeers-certificates" in found.absent
    assert found.rights
    assert all(found.rights.values())


async def test_refused_review_is_asked_only_a_few_times() -> None:
    answers = {
        "/apis/apps/v1/deployments": kinds("Deployment"),
        "review": ForbiddenError("no reviews", 403),
    }
    found, client = await read(answers)
    assert found.unread[Part.RIGHTS].forbidden
    assert found.rights == {}
    assert sum("subjectaccessreviews" in path for path in client.asked) <= 8


async def test_before_an_installation_little_is_read() -> None:
    client = Client({}, formatdate(usegmt=True))
    found = await Reader(client).before(PLACE)  # type: ignore[arg-type]
    assert {right.account for right in found.rights} == {""}
    assert not any("pods" in path for path in client.asked)


async def test_objects_without_a_name_are_left_out() -> None:
    odd: list[Any] = [None, 7, {}, {"metadata": {"name": 3}}]
    found, _ = await read({"/api/v1/nodes": [*odd, {"metadata": {"name": "n"}}]})
    assert [one["metadata"]["name"] for one in found.of(Part.NODES)] == ["n"]


@pytest.mark.parametrize("version", ["9" * 5000, "\N{SUPERSCRIPT TWO}1"])
async def test_odd_version_is_no_defect(version: str) -> None:
    found, _ = await read({"/version": {"major": "1", "minor": version}})
    assert found.version[0] == 1

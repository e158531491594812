"""Pydantic views of the custom resources that describe a peer: only the fields that are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    FailFast,
    Field,
    StrictBool,
    StrictStr,
)

from hotpeers_shim.contract import MAX_URL

from ..base.origin import card_urls, check_peer_url, origin_of
from ..base.view import View
from .duration import parse_duration

URL_ANNOTATION = "hotpeers.dev/url"
PIN_ANNOTATION = "hotpeers.dev/pin-address"
_MAX_TEXTS = 1000
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def _dns_name(name: str) -> str:
    if len(name) > 253 or not _DNS_NAME.fullmatch(name):
        raise ValueError(
            f"{name[:80]!r} is not a name: lower case letters, digits, '-' and '.' are allowed"
        )
    return name


def _moment(value: Any) -> Any:
    # Pydantic would read a number as seconds since the epoch, which no manifest intends.
    if value is not None and not isinstance(value, str | datetime):
        raise ValueError("a time such as 2026-01-31T12:00:00Z is needed")
    return value


def _utc(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def _texts(value: Any) -> Any:
    """Replace null by {}, and limit the number of entries.

    Without the limit, each invalid entry would become a finding with a copy of its text.
    """
    if isinstance(value, dict) and len(value) > _MAX_TEXTS:
        raise ValueError(f"{len(value)} entries; the limit is {_MAX_TEXTS}")
    return {} if value is None else value


DnsName = Annotated[StrictStr, AfterValidator(_dns_name)]
PeerUrl = Annotated[StrictStr, AfterValidator(check_peer_url)]
Texts = Annotated[dict[StrictStr, StrictStr], BeforeValidator(_texts)]


class Metadata(View):
    """The fields of `metadata` that identify and label the object."""

    name: DnsName
    namespace: DnsName | Literal[""] | None = None
    uid: StrictStr | None = Field(default=None, max_length=253)
    labels: Texts = {}
    annotations: Texts = {}
    creationTimestamp: Annotated[
        datetime | None, AfterValidator(_utc), BeforeValidator(_moment)
    ] = None


class PeerSpec(View):
    """The `spec` of a `Peer`."""

    url: PeerUrl
    description: StrictStr = ""
    cardPath: StrictStr = Field(default="", max_length=MAX_URL)
    timeout: Annotated[float, BeforeValidator(parse_duration)] | None = None
    pinAddress: StrictBool = False


class PeerResource(View):
    """`hotpeers.dev/v1alpha1`, kind `Peer`."""

    metadata: Metadata
    spec: PeerSpec


class AgentSkill(View):
    """A skill of a kagent `Agent`."""

    id: StrictStr = ""
    name: StrictStr = ""
    description: StrictStr = ""
    tags: Annotated[list[StrictStr], FailFast()] = []


class A2AConfig(View):
    """`spec.declarative.a2aConfig` of a kagent `Agent`."""

    skills: Annotated[list[AgentSkill], FailFast()] = []


class Declarative(View):
    """`spec.declarative` of a kagent `Agent`."""

    a2aConfig: A2AConfig | None = None


class AgentSpec(View):
    """The `spec` of a kagent `Agent`."""

    description: StrictStr = ""
    declarative: Declarative | None = None


class AgentResource(View):
    """`kagent.dev/v1alpha2`, kind `Agent`."""

    metadata: Metadata
    spec: AgentSpec


def check_card_path(url: str, card_path: str) -> None:
    """Raise ValueError if a `cardPath` leads to another origin than the URL."""
    if origin_of(card_urls(url, card_path)[0]) != origin_of(url):
        raise ValueError(f"{card_path[:80]!r} is not a path on {origin_of(url)}")

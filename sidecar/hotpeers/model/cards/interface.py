"""The ways to call a peer that an agent card declares, of protocol 0.2 to 1.x, in one form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hotpeers_shim.contract import MAX_INTERFACES, MAX_NAME, MAX_URL, Interface

JSON_RPC, HTTP_JSON, GRPC = "JSONRPC", "HTTP+JSON", "GRPC"
# By their letters and digits alone: servers write `json-rpc`, `HTTP_JSON`, `REST`.
_BINDINGS = {
    "JSONRPC": JSON_RPC,
    "JSONRPC2": JSON_RPC,
    "JSONRPC20": JSON_RPC,
    "HTTPJSON": HTTP_JSON,
    "JSONHTTP": HTTP_JSON,
    "HTTP": HTTP_JSON,
    "REST": HTTP_JSON,
    "HTTPREST": HTTP_JSON,
    "GRPC": GRPC,
}
_VERSION = re.compile(r"[vV]?(\d{1,3})(?:\.(\d{1,3}))?(?:[.+-][\w.+-]*)?")
_MAX_LISTED = 256
_OLD, _NEW = "0.3", "1.0"


def declared_interfaces(card: Mapping[str, Any]) -> tuple[Interface, ...]:
    """The interfaces of a card that could be called, the preferred first; addresses as they stand there.

    A card of 1.x lists `supportedInterfaces`, one of 0.x has `url` with `preferredTransport`, and a
    server that speaks both publishes both. What has another binding, an older protocol than 0.2 or a
    malformed field is left out.
    """
    streaming = _streams(card.get("capabilities"))
    listed = _field(card, "supportedInterfaces")
    found = list(_listed(card, listed, streaming)) if isinstance(listed, list) else []
    found += _before_1_0(card, bool(found), streaming)
    return tuple(dict.fromkeys(found))[:MAX_INTERFACES]


def named_bindings(card: Mapping[str, Any]) -> tuple[str, ...]:
    """The bindings that a card names, as it writes them: for the message that none is known."""
    items = [*_items(_field(card, "supportedInterfaces"))]
    items += _items(_field(card, "additionalInterfaces"))
    names = [_binding_text(item) for item in items]
    names.append(_text(_field(card, "preferredTransport")))
    return tuple(dict.fromkeys(name[:40] for name in names if name))[:8]


def _listed(card: Mapping[str, Any], listed: list[Any], streaming: bool) -> Iterator[Interface]:
    """The entries of `supportedInterfaces`. One without a version has that of the card, else 1.0."""
    whole = "" if _text(card.get("url")) else _protocol(card)
    for item in _items(listed):
        version = _text(_field(item, "protocolVersion"), numbers=True) or whole or _NEW
        one = _interface(item, _binding_text(item) or JSON_RPC, version, streaming)
        if one is not None:
            yield one


def _before_1_0(card: Mapping[str, Any], has_listed: bool, streaming: bool) -> Iterator[Interface]:
    """`url` with `preferredTransport`, then `additionalInterfaces`.

    A card of this form that names 1.x as its version comes, as a rule, from a library of 0.3 whose
    user took the field for another; beside `supportedInterfaces` it repeats those. What is no version
    at all, or one from before there was this field, is taken for 0.3.
    """
    version = _version(_protocol(card)) or _OLD
    if version.startswith("1."):
        if has_listed:
            return
        versions = [_OLD, version]
    else:
        versions = [version]
    main = {"url": card.get("url"), "transport": _field(card, "preferredTransport")}
    for item in [main, *_items(_field(card, "additionalInterfaces"))]:
        for one_version in versions:
            one = _interface(item, _binding_text(item) or JSON_RPC, one_version, streaming)
            if one is not None:
                yield one


def _interface(
    item: Mapping[str, Any], binding: str, version: str, streaming: bool
) -> Interface | None:
    url = _text(item.get("url"))
    known = _BINDINGS.get(re.sub(r"[^A-Z0-9]", "", binding.upper()))
    spoken = _version(version)
    tenant = _text(item.get("tenant"))
    if not url or len(url) > MAX_URL or known is None or not spoken:
        return None
    if len(tenant) > MAX_NAME or not tenant.isprintable():
        return None
    return Interface(url, known, spoken, tenant, streaming)


def _version(text: str) -> str:
    """`1.0` for `v1.0.0`; "" for what is no version, or one that nobody speaks."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return ""
    major, minor = int(match[1]), int(match[2] or 0)
    return f"{major}.{minor}" if major == 1 or (major == 0 and minor >= 2) else ""


def _protocol(card: Mapping[str, Any]) -> str:
    return _text(_field(card, "protocolVersion"), numbers=True)


def _binding_text(item: Mapping[str, Any]) -> str:
    return _text(_field(item, "protocolBinding")) or _text(item.get("transport"))


def _streams(capabilities: Any) -> bool:
    """Whether `capabilities` has `streaming`: as an object, or as a list of words or objects."""
    if isinstance(capabilities, list):
        return any(
            _streams(item) if isinstance(item, dict) else _word(item) == "streaming"
            for item in capabilities[:_MAX_LISTED]
        )
    if not isinstance(capabilities, dict):
        return False
    value = capabilities.get("streaming")
    return value is True or _word(value) == "true"


def _word(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _field(data: Mapping[str, Any], name: str) -> Any:
    """A field by its name in JSON, else by the one that protobuf writes on request."""
    value = data.get(name)
    return (
        data.get(re.sub(r"[A-Z]", lambda m: "_" + m[0].lower(), name)) if value is None else value
    )


def _items(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [item for item in value[:_MAX_LISTED] if isinstance(item, dict)]


def _text(value: Any, *, numbers: bool = False) -> str:
    if numbers and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""

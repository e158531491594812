"""Reads the interfaces that an agent card of protocol 0.2 to 1.x declares, into one form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hotpeers_shim.contract import MAX_INTERFACES, MAX_NAME, MAX_URL, Interface

JSON_RPC, HTTP_JSON, GRPC = "JSONRPC", "HTTP+JSON", "GRPC"
# Keys have only letters and digits, because servers write `json-rpc`, `HTTP_JSON` or `REST`.
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
    """The supported interfaces of a card, the preferred one first, with addresses as written.

    A card of 1.x lists `supportedInterfaces`. A card of 0.x has `url` with `preferredTransport`. A
    server that supports both versions publishes both. An interface with another binding, a protocol
    before 0.2 or a malformed field is left out.
    """
    streaming = _streams(card.get("capabilities"))
    listed = _field(card, "supportedInterfaces")
    found = list(_listed(card, listed, streaming)) if isinstance(listed, list) else []
    found += _before_1_0(card, bool(found), streaming)
    return tuple(dict.fromkeys(found))[:MAX_INTERFACES]


def named_bindings(card: Mapping[str, Any]) -> tuple[str, ...]:
    """The bindings in a card, as written, for the message that all of them are unknown."""
    items = [*_items(_field(card, "supportedInterfaces"))]
    items += _items(_field(card, "additionalInterfaces"))
    names = [_binding_text(item) for item in items]
    names.append(_text(_field(card, "preferredTransport")))
    return tuple(dict.fromkeys(name[:40] for name in names if name))[:8]


def _listed(card: Mapping[str, Any], listed: list[Any], streaming: bool) -> Iterator[Interface]:
    """The entries of `supportedInterfaces`.

    An entry without a version has the version of the card, or 1.0 if the card has none or has `url`.
    """
    whole = "" if _text(card.get("url")) else _protocol(card)
    for item in _items(listed):
        version = _text(_field(item, "protocolVersion"), numbers=True) or whole or _NEW
        one = _interface(item, _binding_text(item) or JSON_RPC, version, streaming)
        if one is not None:
            yield one


def _before_1_0(card: Mapping[str, Any], has_listed: bool, streaming: bool) -> Iterator[Interface]:
    """The interface in `url` with `preferredTransport`, then those in `additionalInterfaces`.

    A card of this form with version 1.x usually comes from a 0.3 library whose user misunderstood the
    field. Beside `supportedInterfaces`, such fields only repeat those interfaces and are skipped. An
    invalid version, or one from before this field existed, is read as 0.3.
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
    """The major and minor version, such as `1.0` for `v1.0.0`; "" if invalid or unsupported."""
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
    """A field by its JSON name, or else by its snake_case name, which protobuf can write too."""
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

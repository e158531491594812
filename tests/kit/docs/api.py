"""docs/api.md: the fields of our custom resources, from their definitions."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from kit.docs import ROOT

_HEAD = """# API reference

The fields of the custom resources, made from `k8s/crds` by `make docs-pages`. The
[reference](reference/README.md) explains their effect. `kubectl explain` shows the same in a cluster.
"""
# Every object has these, and Kubernetes documents them.
_COMMON = {"apiVersion", "kind", "metadata"}


def api_page() -> str:
    """The text of the page."""
    crds = ROOT / "k8s" / "crds"
    definitions = [yaml.safe_load(path.read_text()) for path in sorted(crds.glob("*.yaml"))]
    return (
        "\n".join([_HEAD, *(line for one in definitions for line in _resource(one))]).rstrip()
        + "\n"
    )


def _resource(definition: Mapping[str, Any]) -> Iterator[str]:
    spec = definition["spec"]
    names = spec["names"]
    for version in spec["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        yield f"## {names['kind']}\n"
        short = "".join(f", short name `{name}`" for name in names.get("shortNames", ()))
        yield f"`{spec['group']}/{version['name']}`, {spec['scope'].lower()}{short}.\n"
        yield f"{_text(schema)}\n"
        for part, inner in schema["properties"].items():
            if part in _COMMON:
                continue
            yield f"### {names['kind']}: {part}\n"
            if _text(inner):
                yield f"{_text(inner)}\n"
            yield "| field | type | meaning |\n|---|---|---|"
            yield from _fields(inner, "")
            yield from _rules_of(inner)
            yield ""
        yield from _columns(version.get("additionalPrinterColumns", ()))


def _fields(schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        path, value = f"{prefix}{name}", inner
        if inner.get("type") == "array":
            path, value = f"{path}[]", inner["items"]
        elif isinstance(inner.get("additionalProperties"), dict):
            path, value = f"{path}.KEY", inner["additionalProperties"]
        needed = "; **required**" if name in required else ""
        meaning = " ".join(filter(None, [_text(inner), *_bounds(inner, value)]))
        yield f"| `{path}` | {_type(value)}{needed} | {meaning} |"
        yield from _fields(value, f"{path}.")


def _type(schema: Mapping[str, Any]) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if schema.get("format") and schema["format"] not in ("int32", "int64"):
        return f"{schema['type']} ({schema['format']})"
    return str(schema.get("type", "any"))


def _text(schema: Mapping[str, Any]) -> str:
    return " ".join(str(schema.get("description", "")).split()).replace("|", "\\|")


def _bounds(outer: Mapping[str, Any], value: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in value:
        yield f"One of {', '.join(f'`{one}`' for one in value['enum'])}."
    if "default" in outer and outer["default"] != {}:
        shown = outer["default"]
        yield f"Default: `{str(shown).lower() if isinstance(shown, bool) else shown}`."
    if "minimum" in value:
        yield f"At least {value['minimum']}."
    if "maximum" in value:
        yield f"At most {value['maximum']}."
    if outer.get("maxItems"):
        yield f"At most {outer['maxItems']} items."
    if outer.get("maxProperties"):
        yield f"At most {outer['maxProperties']} keys."
    if value.get("maxLength"):
        yield f"At most {value['maxLength']} characters."
    refusals = list(outer.get("x-kubernetes-validations", ()))
    if value is not outer:
        refusals += value.get("x-kubernetes-validations", ())
    if refusals:
        texts = "; ".join(f"“{_escaped(rule['message'])}”" for rule in refusals)
        yield f"Refused with: {texts}."


def _rules_of(schema: Mapping[str, Any]) -> Iterator[str]:
    rules = schema.get("x-kubernetes-validations", ())
    if rules:
        yield "\nRules:\n"
    for rule in rules:
        where = f"`{rule['fieldPath'].lstrip('.')}`: " if "fieldPath" in rule else ""
        yield f"- {where}{_escaped(rule['message'])}"


def _escaped(message: str) -> str:
    return " ".join(message.split()).replace("|", "\\|")


def _columns(columns: Any) -> Iterator[str]:
    if columns:
        usual = ", ".join(one["name"] for one in columns if not one.get("priority"))
        wide = ", ".join(one["name"] for one in columns if one.get("priority"))
        yield f"`kubectl get` shows: {usual}{f'; with `-o wide` also: {wide}' if wide else ''}.\n"

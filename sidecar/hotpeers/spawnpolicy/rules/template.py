"""Templates: an agent that names its template must be equal to it."""

from __future__ import annotations

from typing import Any

from ...base.parts import part
from ..decision import listed
from ..digest import digest_of
from ..reasons import PolicyReason
from ..request import Facts
from ..stamps import TEMPLATE
from .defaults import completed
from .difference import difference
from .walk import Checker


def check_template(checker: Checker, manifest: Any, facts: Facts) -> str:
    """Checker the template of a completed manifest. Returns the template's digest, or "".

    The digest is computed from the original template, before the policy's defaults are added.
    """
    path = f'metadata.annotations["{TEMPLATE}"]'
    key = part(part(manifest, "metadata"), "annotations").get(TEMPLATE)
    templates = checker.spec.templates
    if key is None:
        if templates is not None and templates.required:
            wrong = "an agent must say which template it is made from"
            checker.deny(PolicyReason.TEMPLATE_NOT_ALLOWED, path, wrong, listed(templates.keys()))
        return ""
    if templates is None or not isinstance(key, str) or key not in templates.keys():  # noqa: SIM118
        return ""  # the rule of the annotation denies it
    template = facts.templates.get(key)
    if not isinstance(template, dict):
        wrong = f"the template {key} cannot be read now"
        checker.deny(PolicyReason.TEMPLATE_UNKNOWN, path, wrong, _remedy(checker, key))
        return ""
    alike = {"metadata": {"name": checker.name}, "spec": template}
    whole, _ = completed(alike, checker.spec, namespace=checker.namespace, home=checker.home)
    if where := difference(whole["spec"], manifest.get("spec"), "spec"):
        wrong = f"it is not what the template {key} says"
        checker.deny(PolicyReason.TEMPLATE_CHANGED, where, wrong, "the template as it is")
    else:
        checker.templated = True
    return digest_of(template)


def _remedy(checker: Checker, key: str) -> str:
    # The template may be unreachable for a while, or may not exist: mention both remedies.
    kind, _, name = key.partition(":")
    if kind == "agent":
        needed = f"a person makes the Agent {checker.home}/{name}"
    else:
        needed = f"a person sees to it that the controller's registry has {name}"
    return f"try again later; if it stays so, {needed}"

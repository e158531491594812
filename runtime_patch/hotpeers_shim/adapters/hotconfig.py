"""Hot configuration of kagent's Python runtime (kagent-adk 0.7 to 0.10).

`kagent-adk static` makes one AgentConfig from config.json (`kagent.adk.cli`), and calls its
`to_agent` for each request. A hook of `model_validate` finds that object and the data it was made
from. A hook of `to_agent` updates the object from the current files before `to_agent` reads it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from .. import live
from ..hot.follower import HotConfig

FEATURE = "hot configuration"
_TRIAL_NAME = "hotpeers_trial"
_MAX_ERRORS = 5


def hook(module: ModuleType) -> None:
    """Follow the configuration that `kagent.adk.types` parses, if the feature is switched on."""
    hot = live.get().hot
    if hot is None:
        return
    kind: Any = getattr(module, "AgentConfig", None)
    if hasattr(module, "create_agent") or not hasattr(kind, "to_agent"):
        hot.cannot("this kagent-adk has no AgentConfig.to_agent, which 0.7 to 0.10 have")
        return
    runtime = KagentRuntime(module, kind, kind.model_validate, kind.to_agent)
    kind.model_validate = classmethod(_validating(runtime, hot))
    kind.to_agent = _building(kind.to_agent, hot)


class KagentRuntime:
    """The `hot.runtime.Runtime` of kagent-adk. kagent's own classes validate a configuration."""

    def __init__(
        self,
        module: ModuleType,
        kind: Any,
        validate: Callable[..., Any],
        to_agent: Callable[..., Any],
    ) -> None:
        self.kind = kind
        self.original = validate
        self._module = module
        self._to_agent = to_agent

    def validate(self, data: dict[str, Any]) -> Any:
        """The AgentConfig for the object in config.json. Raises pydantic's ValidationError."""
        return self.original(data)

    def facts(self, config: Any) -> dict[str, Any]:
        """The fields as plain values. Call it before `build`, which adds to the configuration."""
        facts: dict[str, Any] = config.model_dump(warnings=False)
        return facts

    def build(self, config: Any) -> None:
        """Make an agent, and the objects for context compaction that `create_runner` would make.

        This opens no connection: each client is made at its first use.
        """
        self._to_agent(config, _TRIAL_NAME)
        context = getattr(config, "context_config", None)
        if context is not None:
            self._module.build_adk_context_configs(context)

    def fields(self, config: Any) -> dict[str, Any]:
        """The values of the fields, by name."""
        return {name: getattr(config, name) for name in self.kind.model_fields}

    def assign(self, target: Any, values: Mapping[str, Any]) -> None:
        """Set the fields `values` of the configuration `target`."""
        for name, value in values.items():
            setattr(target, name, value)

    def explain(self, error: Exception) -> str:
        """The errors and their fields, without the values: headers may contain secrets."""
        errors = getattr(error, "errors", None)
        if not callable(errors):
            return f"{type(error).__name__}: {error}"
        found = errors(include_url=False, include_context=False, include_input=False)
        said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found[:_MAX_ERRORS]]
        more = len(found) - _MAX_ERRORS
        return "; ".join(said) + (f"; and {more} more" if more > 0 else "")


def _validating(runtime: KagentRuntime, hot: HotConfig) -> Callable[..., Any]:
    original = runtime.original.__func__  # type: ignore[attr-defined]

    @functools.wraps(original)
    def model_validate(cls: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        content = None
        with live.optional(FEATURE):
            # Compare the object before validation, which changes it.
            content = hot.read_at_start(obj)
        config = original(cls, obj, *args, **kwargs)
        if content is not None:
            with live.optional(FEATURE):
                hot.adopt(runtime, config, content)
        return config

    return model_validate


def _building(original: Callable[..., Any], hot: HotConfig) -> Callable[..., Any]:
    @functools.wraps(original)
    def to_agent(self: Any, *args: Any, **kwargs: Any) -> Any:
        with live.optional(FEATURE):
            hot.before_build(self)
        try:
            agent = original(self, *args, **kwargs)
        except Exception as error:
            back = False
            with live.optional(FEATURE):
                back = hot.roll_back(self, error)
            if not back:
                raise
            agent = original(self, *args, **kwargs)
        with live.optional(FEATURE):
            hot.after_build(self)
        return agent

    return to_agent

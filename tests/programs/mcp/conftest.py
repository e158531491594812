"""The tools served as they are in use, over HTTP."""

from kit.mcp import kubeconfig_of_nothing, make_settings, registry, serve_tools

__all__ = ["kubeconfig_of_nothing", "make_settings", "registry", "serve_tools"]

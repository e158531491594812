"""Options that several long-running commands share.

Each option can also be set by an environment variable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click
from click.shell_completion import CompletionItem

from ..base.names import LABEL

_Command = TypeVar("_Command", bound=Callable[..., None])

FILE = click.Path(allow_dash=True)
"""The type of a file or folder, which shells complete. The command itself opens it."""


def setting(
    flag: str, default: str, metavar: str, meaning: str, *, envvar: str = ""
) -> Callable[[_Command], _Command]:
    """An option that also has an environment variable, such as HOTPEERS_PEER_FILE for `--peer-file`."""
    choices = metavar.strip("[]").split("|") if "|" in metavar else []

    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
        if metavar in ("FILE", "DIR", "PATH"):
            return [CompletionItem(begun, type="dir" if metavar == "DIR" else "file")]
        return [CompletionItem(one) for one in choices if one.startswith(begun)]

    return click.option(
        flag,
        shell_complete=complete,
        envvar=envvar or f"HOTPEERS_{flag.removeprefix('--').replace('-', '_').upper()}",
        default=default,
        show_default=bool(default),
        metavar=metavar,
        help=meaning,
    )


def namespace_option(meaning: str) -> Callable[[_Command], _Command]:
    """The option `-n`, whose value is the name of a namespace or ""."""

    def check(_: click.Context, __: click.Parameter, value: str) -> str:
        # It becomes a part of a path of the API.
        if value and not LABEL.fullmatch(value):
            raise click.BadParameter(f"{value[:80]!r} is not the name of a namespace")
        return value

    return click.option(
        "-n", "--namespace", default="", metavar="NAME", callback=check, help=meaning
    )


def reach(command: _Command) -> _Command:
    """Adds the options of commands that connect to a cluster."""
    meaning = "Path of the kubeconfig.  [default: the pod's ServiceAccount, else ~/.kube/config]"
    context = setting(
        "--context", "", "NAME", "Context of the kubeconfig to use.  [default: its current context]"
    )
    kubeconfig = setting("--kubeconfig", "", "FILE", meaning, envvar="KUBECONFIG")
    return kubeconfig(context(command))


OF_CONVERSATIONS = ("wait_seconds", "conversation_key_file")
"""The names of the options that `conversation_options` adds."""


def conversation_options(command: _Command) -> _Command:
    """Adds the options of the peer tools."""
    wait = setting(
        "--wait-seconds",
        "25",
        "SECONDS",
        "How long ask_agent waits for an answer before it points to get_answer.",
    )
    key = setting(
        "--conversation-key-file",
        "",
        "FILE",
        "The key that seals conversations, 32 bytes.  [default: a new one beside the peer file]",
    )
    return wait(key(command))


def injection_options(command: _Command) -> _Command:
    """Adds the settings of the injected containers."""
    for option in reversed(_INJECTION):
        command = option(command)
    return command


_INJECTION = (
    setting(
        "--registry-url", "", "URL", "URL of the agentregistry for templates and spawning tools."
    ),
    setting(
        "--kagent-gateway",
        "",
        "URL",
        "URL of kagent 1.x's controller, for injected sidecars.  [default: that of hotpeers run]",
    ),
    setting(
        "--orchestrator-token-secret",
        "",
        "NAME/KEY",
        "Secret in the orchestrator's namespace with an agentregistry token for its spawning tools.",
    ),
    setting(
        "--orchestrators",
        "true",
        "[true|false]",
        "Whether each injected workload gets an Orchestrator, whose status its sidecars write.",
    ),
    setting("--image", "", "IMAGE", "Image of the injected containers; required."),
    setting(
        "--image-pull-policy",
        "IfNotPresent",
        "[IfNotPresent|Always|Never]",
        "Pull policy of the injected containers.",
    ),
    setting(
        "--native-sidecars",
        "auto",
        "[auto|true|false]",
        "Whether to inject native sidecars (Kubernetes 1.29 and newer); auto asks the API server.",
    ),
    setting(
        "--sidecar-resources",
        '{"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}',
        "JSON",
        "Requests and limits of each injected container.",
    ),
    setting(
        "--audit-calls", "false", "[true|false]", "Whether injected agents log each call of a peer."
    ),
    setting(
        "--trace-calls",
        "false",
        "[true|false]",
        "Whether injected agents pass the trace context to peers, and make a span for each call.",
    ),
    setting(
        "--traces-endpoint",
        "",
        "URL",
        "OTLP receiver for the spans of injected bridges, such as http://collector.monitoring:4318.",
    ),
    setting(
        "--max-drain-seconds",
        "600",
        "SECONDS",
        "Longest drain that an injected pod may request; 0 disables drains.",
    ),
)


def logging_options(command: _Command) -> _Command:
    """Adds the logging options of long-running commands."""
    levels = "[debug|info|warning|error]"
    level = setting("--log-level", "info", levels, "The least severe level that is logged.")
    form = setting("--log-format", "text", "[text|json]", "Format of the log on standard error.")
    return form(level(command))

"""`hotpeers controller`. The command imports its modules when it runs."""

from __future__ import annotations

import click

from .options import injection_options, logging_options, reach, setting


@click.command()
@setting("--listen", ":9443", "HOST:PORT", "Address of the webhook server (TLS).")
@setting(
    "--health-listen",
    ":8080",
    "HOST:PORT",
    "Address of the HTTP server for health and metrics; none disables it.",
)
@setting(
    "--namespace",
    "",
    "NAME",
    "Namespace of the controller.  [default: the pod's, else the kubeconfig's]",
)
@setting(
    "--identity",
    "",
    "NAME",
    "Name of this replica as holder of the Lease.  [default: the host name]",
)
@setting(
    "--service",
    "hotpeers-controller",
    "NAME",
    "Name of the Service of the webhooks; the certificate is issued for its DNS names.",
)
@setting(
    "--canary-image",
    "",
    "IMAGE",
    "Image for namespaces with the label hotpeers.dev/channel=canary.  [default: --image]",
)
@setting(
    "--webhook-configuration",
    "hotpeers-injector",
    "NAME",
    "Webhook configuration whose caBundle the controller maintains; none disables this.",
)
@setting(
    "--guard-configuration",
    "hotpeers-guard",
    "NAME",
    "Name of both webhook configurations that enforce SpawnPolicies; none disables the guard.",
)
@setting(
    "--hold-configuration",
    "zz-hotpeers-hold",
    "NAME",
    "Webhook configuration that holds rollouts of hot configurations; none disables holds.",
)
@setting(
    "--account",
    "",
    "USER",
    "User name of the controller's own requests, such as system:serviceaccount:NS:NAME.",
)
@setting(
    "--hold-ack-seconds",
    "20",
    "SECONDS",
    "Time in which a Ready pod must apply a held configuration, or its Deployment rolls.",
)
@setting(
    "--hold-repay",
    "true",
    "[true|false]",
    "Whether to roll held Deployments once they are idle.",
)
@setting(
    "--hold-idle-seconds",
    "600",
    "SECONDS",
    "Time that the pods of a held Deployment must be idle before it is rolled.",
)
@setting(
    "--hold-window",
    "",
    "WINDOW",
    "UTC times when they may be rolled, such as 'Sat,Sun 02:00-05:00'.  [default: always]",
)
@setting(
    "--check-secrets",
    "auto",
    "auto|true|false",
    "Whether to deny an agent with the name of a Secret; auto: if RBAC allows to get Secrets.",
)
@setting(
    "--policies-per-namespace",
    "64",
    "NUMBER",
    "Maximum number of SpawnPolicies that are served in a namespace, the oldest first.",
)
@setting(
    "--subjects-per-namespace",
    "256",
    "NUMBER",
    "Maximum number of subjects that the SpawnPolicies of a namespace may name, up to 512.",
)
@setting("--registry-token-file", "", "FILE", "File with a bearer token for the agentregistry.")
@setting(
    "--certificate-secret",
    "hotpeers-certificates",
    "NAME",
    "Name of the Secret that stores the certificates.",
)
@setting(
    "--certificate-dir",
    "",
    "DIR",
    "Directory with tls.crt and tls.key to use in place of the Secret.",
)
@setting(
    "--client-ca",
    "",
    "FILE",
    "File with a CA certificate; only clients with a certificate of this CA may call the webhooks.",
)
@setting("--lease", "hotpeers-controller", "NAME", "Name of the Lease for leader election.")
@setting(
    "--bind-readers",
    "true",
    "[true|false]",
    "Whether to bind the ServiceAccounts of injected orchestrators to the role that reads peers.",
)
@setting(
    "--injection-namespaces",
    "",
    "SELECTOR",
    "Label selector of the Namespaces in which --bind-readers applies.  [default: all]",
)
@setting(
    "--hub-url",
    "",
    "URL",
    "URL of the hub's MCP server; then each Orchestrator gets a token.  [default: no hub]",
)
@setting(
    "--hub-key-secret",
    "hotpeers-hub-key",
    "NAME",
    "Secret in the controller's namespace with the hub's key; the controller writes it if it is empty.",
)
@setting(
    "--hub-timeout",
    "60s",
    "SECONDS",
    "Timeout of the RemoteMCPServer of each Orchestrator; longer than --wait-seconds of the hub.",
)
@injection_options
@setting(
    "--drain-seconds", "5", "SECONDS", "Time for which to keep serving after SIGTERM or SIGINT."
)
@reach
@logging_options
def controller(**raw: str) -> None:
    """Run the controller: its webhooks inject pods, enforce SpawnPolicies and hold rollouts."""
    import asyncio

    from ..base.log import set_up_logging
    from ..controller.runner import run_controller
    from ..controller.settings import ControllerSettings

    settings = ControllerSettings.parse(**raw)
    set_up_logging(settings.log_format, settings.log_level)
    asyncio.run(run_controller(settings))

"""`hotpeers console`: a page over all orchestrators. The command imports its modules when it runs."""

from __future__ import annotations

import click

from .options import logging_options, reach, setting


@click.command()
@setting("--listen", "127.0.0.1:8094", "HOST:PORT", "Address of the pages.")
@setting(
    "--health-listen",
    "127.0.0.1:8095",
    "HOST:PORT",
    "Address of /healthz, /readyz and /metrics; none disables it.",
)
@setting(
    "--audience",
    "hotpeers-console",
    "AUDIENCE",
    "What tokens must be made for; none accepts tokens of the API server.",
)
@setting(
    "--public-url",
    "",
    "URL",
    "Where browsers reach it, such as https://console.example. https makes cookies secure.",
)
@setting(
    "--allowed-hosts",
    "",
    "NAMES",
    "Further host names, separated by commas, that browsers may use.",
)
@setting(
    "--trusted-proxies",
    "",
    "RANGES",
    "Addresses of proxies that add the client to X-Forwarded-For, such as 10.0.0.0/8.",
)
@reach
@logging_options
def console(**raw: str) -> None:
    """Show all orchestrators of a cluster on a page, to users who sign in with a Kubernetes token."""
    import asyncio

    from ..base.log import set_up_logging
    from ..base.settings import parse_logging
    from ..console.runner import run_console
    from ..console.settings import ConsoleSettings

    logging = parse_logging(raw.pop("log_format"), raw.pop("log_level"))
    settings = ConsoleSettings.parse(**raw)
    set_up_logging(*logging)
    asyncio.run(run_console(settings))

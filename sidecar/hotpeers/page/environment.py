"""The template environment. Import this module only when a page is made: it loads Jinja2."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from .assets import asset_url
from .formats import count, duration, machine_time, moment


class Templates:
    """The templates of a package, in its folder `templates`. Those of `page/` are ours.

    Values are escaped in every template, whatever the name of its file.
    """

    def __init__(self, package: str) -> None:
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader(package), PackageLoader("hotpeers.page")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "moment": moment,
            "machine_time": machine_time,
            "duration": duration,
            "count": count,
        }
        self._environment.globals["asset"] = asset_url

    def render(self, template: str, **context: Any) -> str:
        """The HTML of a template."""
        return self._environment.get_template(template).render(**context)


@cache
def templates_of(package: str) -> Templates:
    """The templates of a package, parsed once in a process."""
    return Templates(package)

"""What every test may use. Light: the agents' own environments load it too."""

from contextlib import suppress

pytest_plugins = ["kit.apiserver.fixtures"]

# The agents' environments have no hypothesis. Of its examples none is too slow: how fast they are is
# the machine's matter.
with suppress(ImportError):
    from hypothesis import settings

    settings.register_profile("unhurried", parent=settings.default, deadline=None)
    settings.load_profile("unhurried")

"""`make test-docker`. Settings, by environment:

BASE: the base image; by default the Dockerfile's own, and with a dockerd of our own one made of the
interpreter that BASE_PYTHON names (by default the one that runs this).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from docker.base import make_base
from docker.client import Docker, copy_checkout, environment
from docker.daemon import NoDockerError, answers, own_daemon
from docker.plugins import docker_config
from kit.apiserver.gobuild import NoBinariesError

_DEFAULT_BASE = "python:3.13-slim"
_LOCAL_BASE = "localhost/python:local"


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """A docker that can build. Without one, this fails and names the requirements."""
    with ExitStack() as stack:
        try:
            host = None if answers(dict(os.environ)) else stack.enter_context(own_daemon())
            config = docker_config(tmp_path_factory.mktemp("config"))
        except (NoDockerError, NoBinariesError) as error:
            pytest.fail(str(error), pytrace=False)
        base = os.environ.get("BASE") or (_LOCAL_BASE if host else _DEFAULT_BASE)
        environ = environment(host, config, base)
        if host and base == _LOCAL_BASE:
            make_base(base, os.environ.get("BASE_PYTHON") or sys.executable, environ)
        yield Docker(environ)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory):
    """A copy of the checkout: files may be dropped into its peers.d."""
    return copy_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]):
    """Print a figure, whether or not output is captured."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", end="", flush=True)

    return say

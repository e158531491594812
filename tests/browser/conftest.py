"""Consoles over clusters of three sizes, and a real browser. See `make test-console`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from kit.apiserver.resources import CRD_FILES, install_crd
from kit.apiserver.server import Cluster
from kit.console.objects import fill
from kit.console.process import running_console, token_for, user

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "build" / "console"
FIGURES = PICTURES / "figures.json"
POLICIES = ROOT / "k8s" / "crds" / "spawnpolicies.hotpeers.dev.yaml"
SIZES = {"empty": (0, 0), "small": (3, 8), "large": (200, 5000)}
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


@dataclass
class Stage:
    """A running console. `places` are the namespaces that have objects."""

    size: str
    cluster: Cluster
    url: str
    pid: int
    admin: str
    some: str
    places: list[str]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of the system: the one of HOTPEERS_CHROMIUM, or `chromium`."""
    path = os.environ.get("HOTPEERS_CHROMIUM") or shutil.which("chromium")
    assert path, "there is no chromium: apt-get install chromium, or set HOTPEERS_CHROMIUM"
    with sync_playwright() as playwright:
        # Root may start it only without its sandbox. It loads only pages of our own.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=SIZES)
def stage(
    request: pytest.FixtureRequest, cluster_binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """A console over a cluster of its own, of each size."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(cluster_binaries)
    try:
        cluster.start()
        for file in (*CRD_FILES, POLICIES):
            install_crd(cluster.api, file)
        places = fill(cluster.api, *SIZES[request.param])
        admin = user(cluster, "admin", ["*"])
        some = user(cluster, "some", places[1:2])
        folder = tmp_path_factory.mktemp("console")
        with running_console(cluster, folder) as (url, pid):
            yield Stage(request.param, cluster, url, pid, token_for(admin), token_for(some), places)
    finally:
        cluster.close()


def sign_in(context: BrowserContext, url: str, token: str) -> Page:
    """A page that shows the overview. A dialog, an error or a request elsewhere fails the test."""
    page = context.new_page()
    page.set_default_timeout(20_000)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (troubles.append("dialog"), dialog.dismiss()))
    page.on("console", lambda line: troubles.append(line.text) if "Security" in line.text else None)
    page.on(
        "request",
        lambda one: troubles.append(one.url) if not one.url.startswith(f"{url}/") else None,
    )
    page.troubles = troubles  # type: ignore[attr-defined]
    page.goto(f"{url}/")
    page.fill("#token", token)
    page.click("button[type=submit]")
    page.wait_for_url(f"{url}/")
    return page


def note(size: str, **figures: float) -> None:
    """Write figures into build/console/figures.json, and print them."""
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    known.setdefault(size, {}).update(figures)
    FIGURES.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    print(size, figures)

"""The image: its content, and that it runs with the least rights of a pod."""

import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from docker.client import ROOT, Docker

IMAGE = "hotpeers-test:image"
INSIDE = (Path(__file__).parent / "inside.py").read_text()
RESTRICTED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
ANOTHER_USER = "--user=12345:0"
LABELS = {"VERSION": "1.2.3", "REVISION": "0123abc", "CREATED": "2026-01-02T03:04:05Z"}
PYTHON_313 = ("--python-version", "3.13")


@pytest.fixture(scope="module")
def image(docker: Docker, checkout: Path):
    options = [f"--build-arg={name}={value}" for name, value in LABELS.items()]
    docker.build(IMAGE, checkout, *options)
    yield IMAGE
    docker.run("image", "rm", "--force", IMAGE)


def look_inside(docker: Docker, image: str) -> dict:
    return json.loads(
        docker.run("run", "--rm", *RESTRICTED, "--entrypoint", "python", image, "-c", INSIDE)
    )


def test_image_holds_no_installer_and_no_compiler(docker: Docker, image: str) -> None:
    found = look_inside(docker, image)
    assert found["tools"] == []
    assert found["modules"] == []


def test_image_runs_as_65532(docker: Docker, image: str) -> None:
    assert (
        docker.run("image", "inspect", "--format", "{{.Config.User}}", image).strip()
        == "65532:65532"
    )
    assert look_inside(docker, image)["ids"] == [65532, 65532]


def test_every_module_of_a_sidecar_is_compiled(docker: Docker, image: str) -> None:
    assert look_inside(docker, image)["uncompiled"] == []


def test_image_labels_are_those_of_the_build(docker: Docker, image: str) -> None:
    labels = json.loads(
        docker.run("image", "inspect", "--format", "{{json .Config.Labels}}", image)
    )
    prefix = "org.opencontainers.image."
    assert {name: labels[prefix + name.lower()] for name in LABELS} == LABELS
    assert labels[f"{prefix}licenses"] == "Apache-2.0"


def test_second_build_has_the_same_contents(
    docker: Docker, image: str, checkout: Path, tell
) -> None:
    began = time.monotonic()
    docker.build("hotpeers-test:again", checkout, "--no-cache")
    tell(
        f"built with no cache in {time.monotonic() - began:.0f} s, {docker.size(image) / 1e6:.0f} MB"
    )
    try:
        again = look_inside(docker, "hotpeers-test:again")
    finally:
        docker.run("image", "rm", "--force", "hotpeers-test:again")
    assert again["digest"] == look_inside(docker, image)["digest"]


@pytest.mark.parametrize("user", [(), (ANOTHER_USER,)], ids=["its-own-user", "another-user"])
def test_every_command_works_with_a_read_only_root(docker: Docker, image: str, user) -> None:
    run = ("run", "--rm", *RESTRICTED, *user)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert docker.run(*run, image, "--version").split()[-1] == project["version"]
    manifest = f"--volume={ROOT}/compose/news.yaml:/news.yaml:ro"
    assert "ok: Peer" in docker.run(*run, manifest, image, "validate", "/news.yaml")
    installed = docker.run(*run, "--tmpfs=/shim:mode=1777", image, "shim", "install", "/shim")
    assert installed.strip() == "/shim/hotpeers_shim/bootstrap"


def test_sidecar_is_ready_quickly(docker: Docker, image: str, tell) -> None:
    """Under a read-only root, with the volumes that a pod gives it."""
    volumes = [f"--volume=/var/run/hotpeers/{name}" for name in ("peers", "acks")]
    settings = ["--env=HOTPEERS_PEER_FILE=/var/run/hotpeers/peers/peers.json", "--tmpfs=/peers.d"]
    arguments = ("run", "--source=directory", "--peers-dir=/peers.d")
    began = time.time()
    sidecar = docker.run(
        "run", "--detach", *RESTRICTED, *volumes, *settings, image, *arguments
    ).strip()
    try:
        ask = "import os, time, urllib.request as r\nfor _ in range(600):\n try:\n"
        ask += "  r.urlopen('http://127.0.0.1:8090/readyz'); break\n except OSError: time.sleep(0.05)\n"
        ask += "print(os.stat('/var/run/hotpeers/peers/peers.json').st_mtime)"
        written = float(docker.run("exec", sidecar, "python", "-c", ask))
        about = json.loads(docker.run("container", "inspect", sidecar))[0]["State"]
        assert about["Running"]
        tell(f"docker run to the first peer file: {written - began:.2f} s")
        docker.run("stop", "--time=10", sidecar)
        state = json.loads(docker.run("container", "inspect", sidecar))[0]["State"]
        assert state["ExitCode"] == 0
    finally:
        docker.run("rm", "--force", "--volumes", sidecar)
    assert written - began < 60


@pytest.mark.parametrize("system", ["x86_64-manylinux_2_28", "aarch64-manylinux_2_28"])
@pytest.mark.parametrize("lock", ["product", "demo", "kagent", "build", "uv"])
def test_every_locked_package_has_a_wheel(lock: str, system: str, tmp_path: Path) -> None:
    """So that the image is built for either architecture with no compiler."""
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "install", "--dry-run", "--no-build", "--require-hashes", *PYTHON_313]
    command += ["--python-platform", system, "--target", str(tmp_path)]
    command += ["-r", str(ROOT / "requirements" / f"{lock}.txt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

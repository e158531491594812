"""The images that the tests' pods run: the product, kagent's agents, and agents to be asked."""

from __future__ import annotations

import compileall
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from py_compile import PycInvalidationMode

from kit.apiserver.gobuild import Say
from kit.node.image import Image, Layer
from kit.node.python import (
    PACKAGES,
    PYTHON,
    cached_layer,
    packages_layer,
    python_layer,
    write_script,
)

_ROOT = Path(__file__).parents[3]
_LOCKS = _ROOT / "requirements"
_VENV = "/.kagent/.venv"
_USER = "65532:65532"
_DEMO = ("a2a-sdk[http-server]", "httpx", "starlette", "uvicorn")
_ENVIRONMENT = ["LANG=C.UTF-8", "PYTHONUNBUFFERED=1"]

HOTPEERS = "localhost/hotpeers:1"
KAGENT = "localhost/kagent-dev/kagent/app:0.10.4"
CUSTOM = "localhost/custom-agent:1"
KAGENT_PACKAGES = f"{_VENV}/lib/{Path(PACKAGES).parent.name}/site-packages"
PEER = "localhost/peer:1"


class NoWheelError(Exception):
    """The product is not built."""


def hotpeers_image(say: Say) -> Image:
    """The product: its wheel and exactly the packages that it is locked to."""
    lock = _LOCKS / "product.txt"
    wanted = ["--require-hashes", "-r", str(lock)]
    packages = packages_layer("hotpeers-packages", PACKAGES, wanted, [lock], say)
    layers = [python_layer(say), packages, _product_layer(say)]
    settings = {
        "Entrypoint": ["/usr/local/bin/hotpeers"],
        "Env": [*_ENVIRONMENT, "PATH=/usr/local/bin"],
        "User": _USER,
    }
    return Image(HOTPEERS, layers, settings)


def kagent_image(say: Say) -> Image:
    """kagent's released agents, laid out as in kagent's own image, without hotpeers."""
    lock = _LOCKS / "kagent.txt"
    wanted = ["--require-hashes", "-r", str(lock)]
    packages = packages_layer("kagent-packages", KAGENT_PACKAGES, wanted, [lock], say)
    layers = [python_layer(say), packages, cached_layer("kagent", [], _make_venv, say)]
    settings = {
        "Entrypoint": [f"{_VENV}/bin/kagent-adk", "static"],
        "Cmd": ["--host", "0.0.0.0", "--port", "8080"],
        "Env": [*_ENVIRONMENT, f"PATH={_VENV}/bin:/usr/local/bin", f"VIRTUAL_ENV={_VENV}"],
        "User": _USER,
        "WorkingDir": "/app",
    }
    return Image(KAGENT, layers, settings)


def custom_image(say: Say) -> Image:
    """An agent of a user's own: without its image's PYTHONPATH it does not find its code."""
    base = kagent_image(say)
    module, code = "custom_agent", "from kagent.adk.cli import run_cli\n\nrun_cli()\n"

    def write(root: Path) -> None:
        folder = root / "srv/code"
        folder.mkdir(parents=True)
        (folder / f"{module}.py").write_text(code)

    layers = [*base.layers, cached_layer("custom", [module, code], write, say)]
    settings = {
        **base.settings,
        "Entrypoint": [f"{_VENV}/bin/python", "-m", module, "static"],
        "Env": [*base.settings["Env"], "PYTHONPATH=/srv/code"],
    }
    return Image(CUSTOM, layers, settings)


def peer_image(program: Path, say: Say) -> Image:
    """An agent to be asked: the demonstration's, started by a program of the tests."""
    files = [_LOCKS / "product.txt", _LOCKS / "dev.txt"]
    wanted = ["-r", str(files[0]), "-c", str(files[1]), *_DEMO]
    packages = packages_layer("peer-packages", PACKAGES, wanted, files, say)

    def copy_program(root: Path) -> None:
        shutil.copy(program, root / "peer.py")

    own = cached_layer("peer", [program.read_bytes()], copy_program, say)
    demo = _wheel_layer("hotpeers_demo", lambda _: None, say)
    layers = [python_layer(say), packages, _product_layer(say), demo, own]
    settings = {
        "Entrypoint": [PYTHON, "/peer.py"],
        "Env": [*_ENVIRONMENT, "PATH=/usr/local/bin"],
        "User": _USER,
    }
    return Image(PEER, layers, settings)


def program_image(reference: str, program: Path, say: Say) -> Image:
    """An image with one self-contained program."""

    def copy_program(root: Path) -> None:
        shutil.copy(program, root)

    layer = cached_layer(program.name, [program.read_bytes()], copy_program, say)
    return Image(reference, [layer], {"Entrypoint": [f"/{program.name}"]})


def _product_layer(say: Say) -> Layer:
    """The product itself, as it was built; with the command that an installer would write."""

    def add_command(root: Path) -> None:
        write_script(root, "/usr/local/bin/hotpeers", PYTHON, "hotpeers.cli.main", "main")

    return _wheel_layer("hotpeers", add_command, say)


def _wheel_layer(name: str, add: Callable[[Path], None], say: Say) -> Layer:
    """The compiled content of our wheel, and the files that `add` writes."""
    wheels = sorted((_ROOT / "dist").glob(f"{name}-*.whl"))
    if not wheels:
        raise NoWheelError(f"dist/ has no wheel of {name}; `make e2e` builds it")
    wheel = wheels[-1]

    def unpack(root: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / PACKAGES.lstrip("/"))
        # As in the real image: no pod can write there.
        compileall.compile_dir(root, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        add(root)

    return cached_layer(name, [wheel.read_bytes(), "compiled"], unpack, say)


def _make_venv(root: Path) -> None:
    """The files that turn a folder of packages into a virtual environment."""
    place = root / _VENV.lstrip("/")
    (place / "bin").mkdir(parents=True)
    for name in ("python", "python3"):
        (place / "bin" / name).symlink_to(PYTHON)
    (place / "pyvenv.cfg").write_text(
        "home = /usr/local/bin\ninclude-system-site-packages = false\n"
    )
    write_script(
        root, f"{_VENV}/bin/kagent-adk", f"{_VENV}/bin/python", "kagent.adk.cli", "run_cli"
    )
    (root / "app").mkdir()

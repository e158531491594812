"""The shim's way into a process: a real interpreter, a real PYTHONPATH, nothing of ours imported here."""

import os
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(find_spec("hotpeers_shim").origin).parent
BOOTSTRAP = PACKAGE / "bootstrap"
LOADED = "import sys; print('hotpeers_shim.start' in sys.modules, end=' ')"


def run(code, *path, flags=(), python=sys.executable, **env):
    """Run `code` with `path` as PYTHONPATH; returns stdout, stderr and the exit code."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("HOTPEERS", "PYTHON"))}
    environ |= {"PYTHONPATH": os.pathsep.join(map(str, path)), **env}
    done = subprocess.run(
        [str(python), *flags, "-c", code],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip(), done.stderr.strip(), done.returncode


@pytest.fixture
def neighbour(tmp_path):
    """Another tool that injects itself by a `sitecustomize` and does not chain."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.neighbour_was_here = True\n")
    return tmp_path


SEEN = LOADED + "; print(getattr(sys, 'neighbour_was_here', False))"


def test_folder_holds_only_the_bootstrap():
    names = {path.name for path in BOOTSTRAP.iterdir() if path.name != "__pycache__"}
    assert names == {
        "sitecustomize.py",
        "hotpeers_bootstrap.py",
        "hotpeers_bootstrap-1.dist-info",
    }
    assert len((BOOTSTRAP / "sitecustomize.py").read_text().splitlines()) <= 30


def test_shim_is_loaded_and_sys_path_is_unchanged():
    out, err, _ = run(LOADED + f"; print({str(PACKAGE.parent)!r} in sys.path[:2])", BOOTSTRAP)
    assert (out, err) == ("True False", "")


def test_interpreter_without_an_agent_imports_only_small_modules():
    code = "import sys; print(sorted(m for m in sys.modules if 'hotpeers' in m))"
    out, _, _ = run(code, BOOTSTRAP)
    assert eval(out) == [
        "hotpeers_bootstrap",
        "hotpeers_shim",
        "hotpeers_shim.importhook",
        "hotpeers_shim.start",
    ]


@pytest.mark.parametrize("value", ["1", "true"])
def test_shim_can_be_disabled(value, neighbour):
    out, err, _ = run(SEEN, BOOTSTRAP, neighbour, HOTPEERS_DISABLE=value)
    assert (out, err) == ("False True", "")


def test_a_neighbour_behind_it_is_run_too(neighbour):
    assert run(SEEN, BOOTSTRAP, neighbour)[:2] == ("True True", "")


def test_a_neighbour_in_front_that_chains_is_run_once(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "sys.runs = getattr(sys, 'runs', 0) + 1\n"
        "from importlib.machinery import PathFinder\n"
        "here = __file__.rpartition('/')[0]\n"
        "spec = PathFinder.find_spec('sitecustomize', [p for p in sys.path if p != here])\n"
        "if spec and sys.runs < 5:\n"
        "    exec(compile(open(spec.origin).read(), spec.origin, 'exec'), {'__file__': spec.origin})\n"
    )
    out, err, _ = run(LOADED + "; print(sys.runs)", tmp_path, BOOTSTRAP)
    assert (out, err) == ("True 1", "")


def test_the_sitecustomize_of_a_venv_is_run_too(tmp_path):
    venv.create(tmp_path / "v", with_pip=False, symlinks=True)
    python = tmp_path / "v/bin/python"
    (site,) = (tmp_path / "v/lib").glob("python*/site-packages")
    (site / "sitecustomize.py").write_text("import sys; sys.neighbour_was_here = True\n")
    assert run(SEEN, BOOTSTRAP, python=python)[:2] == ("True True", "")


def test_error_in_another_sitecustomize_is_reported_as_its_own(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("raise RuntimeError('mine')\n")
    out, err, code = run(LOADED, BOOTSTRAP, tmp_path)
    assert out == "True"
    assert "RuntimeError: mine" in err
    assert code == 0


def test_a_broken_shim_does_not_stop_the_program(tmp_path):
    copy = tmp_path / "hotpeers_shim"
    (copy / "bootstrap").mkdir(parents=True)
    for name in ("sitecustomize.py", "hotpeers_bootstrap.py"):
        (copy / "bootstrap" / name).write_text((BOOTSTRAP / name).read_text())
    (copy / "__init__.py").write_text("raise OSError('disk gone')\n")
    out, err, code = run("print('runs')", copy / "bootstrap")
    assert (out, code) == ("runs", 0)
    assert err == "hotpeers: the shim was not loaded: OSError('disk gone')"


@pytest.mark.parametrize(
    ("flag", "loaded"),
    [("-s", "True"), ("-P", "True"), ("-I", "False"), ("-E", "False"), ("-S", "False")],
)
def test_interpreter_flags(flag, loaded):
    assert run(LOADED, BOOTSTRAP, flags=[flag])[:2] == (loaded, "")


def test_children_inherit_it():
    code = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {LOADED!r}]).returncode)"
    assert run(code, BOOTSTRAP)[0] == "True"


OF_IMAGE = "$(PYTHONPATH)"
PATHS = "import os, sys; print([p for p in sys.path if 'img' in p or '$' in p], os.environ['PYTHONPATH'])"


@pytest.fixture
def acks(tmp_path):
    """The folder where the program of `hotpeers.inject.imagepath` leaves what the image sets."""
    folder = tmp_path / "acks"
    folder.mkdir()

    def answer(value):
        if value is not None:
            (folder / "image-pythonpath").write_text(value)
        return {"HOTPEERS_ACK_DIR": str(folder)}

    return answer


def test_module_of_the_images_path_is_found(tmp_path, acks):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/agent_code.py").write_text("print('runs', end=' ')")
    env = acks(str(tmp_path / "app"))
    code = f"import agent_code; {LOADED}"
    assert run(code, BOOTSTRAP, OF_IMAGE, **env)[:2] == ("runs True", "")
    assert run(code, BOOTSTRAP, OF_IMAGE, **env, HOTPEERS_DISABLE="1")[:2] == ("runs False", "")
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    assert run(child, BOOTSTRAP, OF_IMAGE, **env)[:2] == ("runs True", "")
    # An agent's program may start others without our variables.
    code = "import os; os.environ.pop('HOTPEERS_ACK_DIR'); " + child
    assert run(code, BOOTSTRAP, OF_IMAGE, **env)[:2] == ("runs True", "")


@pytest.mark.parametrize(
    ("value", "image", "after"),
    [
        ("B:$(PYTHONPATH)", "/img", "B:/img"),
        ("B:$(PYTHONPATH)", "/img/a:/img/b", "B:/img/a:/img/b"),
        ("/x:B:$(PYTHONPATH):/y", "/img", "/x:B:/img:/y"),
        ("B:$(PYTHONPATH):/y", None, "B:/y"),
        ("B:$(PYTHONPATH)", "", "B"),
        ("B:$(PYTHONPATH)", ":/img", "B::/img"),
        ("B:/img2:$(PYTHONPATH)", "/img2:/img", "B:/img2:/img2:/img"),
        ("B:$(PYTHONPATH):$(PYTHONPATH)", "/img", "B:/img"),
        ("B:/img/$(PYTHONPATH)", "/else", "B:/img/$(PYTHONPATH)"),
        ("B", "/img", "B"),
    ],
)
def test_restored_sys_path_equals_the_path_of_the_image(acks, value, image, after):
    value, after = (one.replace("B", str(BOOTSTRAP)) for one in (value, after))
    restored = run(PATHS, value, **acks(image))
    assert restored[1:] == ("", 0)
    assert restored[0].endswith(f" {after}")
    # An interpreter that is given the value at once has the same path.
    assert run(PATHS, after)[0] == restored[0]


def test_entries_that_are_empty_or_relative_are_the_current_folder(tmp_path, acks, monkeypatch):
    (tmp_path / "img").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.py").touch()
    (tmp_path / "img/there.py").touch()
    code = "import sys; sys.path.remove(''); import here, there; print('ok')"
    assert run(code, BOOTSTRAP, OF_IMAGE, **acks(":img"))[:2] == ("ok", "")


def test_the_images_own_sitecustomize_is_run_too(neighbour, acks):
    assert run(SEEN, BOOTSTRAP, OF_IMAGE, **acks(str(neighbour)))[:2] == ("True True", "")


def test_an_answer_that_cannot_be_read_stops_no_program(tmp_path, acks):
    env = acks(None)
    (tmp_path / "acks/image-pythonpath").mkdir()
    out, err, code = run("print('runs')", BOOTSTRAP, OF_IMAGE, **env)
    assert (out, code) == ("runs", 0)
    assert err.startswith("hotpeers: the PYTHONPATH of the image was not restored: IsADirectory")


def test_opentelemetrys_entry_point_names_the_bootstrap():
    code = (
        "from importlib.metadata import entry_points\n"
        "(e,) = entry_points(group='opentelemetry_pre_instrument')\n"
        "print(e.load().__module__)"
    )
    assert run(code, BOOTSTRAP, HOTPEERS_DISABLE="1")[0] == "hotpeers_bootstrap"


def test_installed_copy_works_without_the_package(tmp_path):
    """As in a pod: the init container copies the package; the agent's image does not contain it."""
    shim = subprocess.run(
        [sys.executable, "-m", "hotpeers", "shim", "install", str(tmp_path / "shim")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.strip()
    venv.create(tmp_path / "v", with_pip=False, symlinks=True)
    code = LOADED + "; import hotpeers_shim; print(hotpeers_shim.__file__)"
    out, err, _ = run(code, shim, python=tmp_path / "v/bin/python")
    assert (out, err) == (f"True {tmp_path}/shim/hotpeers_shim/__init__.py", "")

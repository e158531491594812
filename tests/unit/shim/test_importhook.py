import importlib
import importlib.resources
import sys

import pytest

from hotpeers_shim.importhook import PostImportFinder


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "lazy_pkg").mkdir()
    (tmp_path / "lazy_pkg/__init__.py").write_text("from .inner import VALUE\n")
    (tmp_path / "lazy_pkg/inner.py").write_text("VALUE = 1\n")
    (tmp_path / "lazy_pkg/data.txt").write_text("data")
    (tmp_path / "lazy_broken.py").write_text("raise ValueError('own fault')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    yield
    for name in [name for name in sys.modules if name.startswith("lazy_")]:
        del sys.modules[name]


def test_a_hook_runs_once_after_its_module_was_executed(package):
    seen = []
    finder = PostImportFinder()
    finder.when_imported("lazy_pkg.inner", lambda module: seen.append(module.VALUE))
    import lazy_pkg

    importlib.reload(sys.modules["lazy_pkg.inner"])
    assert seen == [1]
    assert lazy_pkg.VALUE == 1


def test_a_module_that_is_there_already_is_hooked_at_once(package):
    import lazy_pkg.inner

    seen = []
    PostImportFinder().when_imported("lazy_pkg.inner", seen.append)
    assert seen == [lazy_pkg.inner]


def test_two_finders_both_get_their_turn(package):
    seen = []
    for number in range(2):
        PostImportFinder().when_imported("lazy_pkg", lambda module, n=number: seen.append(n))
    import lazy_pkg  # noqa: F401

    assert sorted(seen) == [0, 1]


def test_the_loader_keeps_its_type_and_resources(package):
    PostImportFinder().when_imported("lazy_pkg", lambda module: None)
    import lazy_pkg

    assert type(lazy_pkg.__loader__).__name__ == "SourceFileLoader"
    assert importlib.resources.files(lazy_pkg).joinpath("data.txt").read_text() == "data"


def test_failed_import_raises_its_own_error_and_runs_no_hook(package):
    seen = []
    PostImportFinder().when_imported("lazy_broken", seen.append)
    with pytest.raises(ValueError, match="own fault"):
        import lazy_broken  # noqa: F401
    assert seen == []


def test_a_module_that_does_not_exist_is_still_not_found(package):
    PostImportFinder().when_imported("lazy_absent", lambda module: None)
    with pytest.raises(ModuleNotFoundError):
        import lazy_absent  # noqa: F401


def test_other_modules_are_not_looked_at(package):
    finder = PostImportFinder()
    finder.when_imported("lazy_pkg", lambda module: None)
    assert finder.find_spec("json.decoder") is None

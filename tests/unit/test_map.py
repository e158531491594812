"""The folders answer a newcomer's questions: each answer exists, and is the only place."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "sidecar/hotpeers"


def where(pattern: str, folder: Path = SOURCE) -> set[str]:
    """The files of a folder that match, as paths below it."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if re.search(pattern, path.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize(
    ("question", "pattern", "files"),
    [
        ("who writes Events", r"\"kind\": \"Event\"", {"kube/events.py"}),
        ("where a slot is reserved", r"^def reserve\(", {"controller/quota/ledger.py"}),
        (
            "what chooses the container to inject",
            r"^def find_target\(",
            {"inject/agent_container.py"},
        ),
        (
            "what turns a card into interfaces",
            r"^def declared_interfaces\(",
            {"model/cards/interface.py"},
        ),
    ],
)
def test_only_one_place_matches_the_question(question: str, pattern: str, files: set[str]) -> None:
    assert where(pattern) == files, question


def test_only_the_commands_parse_flags() -> None:
    assert {path.partition("/")[0] for path in where(r"^import (click|argparse)")} == {"cli"}


def test_the_text_of_a_denial_is_made_by_the_rules() -> None:
    texts = where(r"PolicyReason\.\w+_NOT_ALLOWED")
    assert {path.partition("/")[0] for path in texts} <= {"spawnpolicy"}


def test_certificates_are_signed_in_one_folder() -> None:
    assert {Path(path).parent.as_posix() for path in where(r"CertificateBuilder\(")} == {
        "controller/certificates"
    }


def test_each_source_is_a_module_of_one_folder() -> None:
    assert {
        Path(path).parent.as_posix()
        for path in where(r"^    def snapshots\(self\)|^    async def snapshots\(self\)")
    } == {"sidecar/sources"}


def test_both_halves_share_only_the_contract() -> None:
    shared = where(r"^\s*from hotpeers_shim(?!\.contract)[. ]")
    # The tools of `mcp` call peers as the shim does; choosing a proxy is the same in both halves.
    assert {path for path in shared if not path.startswith("mcp/")} <= {
        "sidecar/cards/fetch.py",
        "sidecar/shim/install.py",
    }

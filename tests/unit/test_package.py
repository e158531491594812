"""The tests run against the shipped package."""

import os
from importlib.metadata import files
from pathlib import Path

import hotpeers
import hotpeers_shim
from hotpeers.base.reasons import Reason
from hotpeers_shim import unsupported
from hotpeers_shim.contract import AgentProblem, CallProblem, ConfigProblem, Nack, PeerProblem
from kit.words import every_word


def test_the_wheel_is_what_is_tested() -> None:
    if os.environ.get("HOTPEERS_TEST_CHECKOUT"):
        return
    for package in (hotpeers, hotpeers_shim):
        assert package.__file__ is not None
        assert "site-packages" in Path(package.__file__).parts


def test_product_and_demonstration_share_no_package() -> None:
    product = {str(file).partition("/")[0] for file in files("hotpeers") or ()}
    demonstration = {str(file).partition("/")[0] for file in files("hotpeers-demo") or ()}
    assert {"hotpeers", "hotpeers_shim"} <= product
    assert "hotpeers_demo" in demonstration
    assert not {"hotpeers", "hotpeers_shim"} & demonstration
    assert "hotpeers_demo" not in product


def test_every_word_has_one_meaning_and_one_sentence() -> None:
    sentences = every_word()
    shim = [*Nack, *PeerProblem, *CallProblem, *ConfigProblem, *AgentProblem]
    own = [word for program in Reason.__subclasses__() for word in program]
    # As objects: two equal words of two programs would be one key.
    assert len({word.value for word in [*shim, *own]}) == len([*shim, *own]) == len(sentences)
    assert all(sentence.endswith(".") for sentence in sentences.values())


def test_words_of_the_module_that_runs_on_any_python_are_those_of_the_vocabulary() -> None:
    assert AgentProblem.RUNTIME_UNSUPPORTED == unsupported.RUNTIME_UNSUPPORTED
    assert AgentProblem.SHIM_FAILED == unsupported.SHIM_FAILED

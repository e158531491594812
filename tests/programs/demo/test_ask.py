import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
import uvicorn

from hotpeers_demo import serving
from hotpeers_demo.configure import main as configure
from hotpeers_demo.model_proxy import OPENAI
from hotpeers_demo.subagent import SubAgent, make_app


@contextmanager
def serving_agent():
    listener = serving.bind(0)
    config = uvicorn.Config(make_app(SubAgent("news", "all is new."), serving.url_of(listener)))
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield serving.url_of(listener)
    finally:
        server.should_exit = True
        thread.join()


def ask(url, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "hotpeers_demo.ask", "--url", url, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_answer_is_printed_and_the_conversation_continues():
    with serving_agent() as url:
        first = ask(url, "what", "is", "new?")
        again = ask(url, "what did I ask before?")
        other = ask(url, "--conversation", "other", "what did I ask before?")
    assert (first.returncode, first.stdout) == (0, "news says: all is new.\n")
    assert again.stdout == "news remembers that you asked: what is new?\n"
    assert other.stdout == "news remembers that you asked: nothing\n"


def test_missing_orchestrator_prints_one_line():
    with serving.bind(0) as listener:
        url = serving.url_of(listener)
    done = ask(url, "--seconds", "0.2", "hello")
    assert done.returncode == 1
    assert done.stderr == f"error: the orchestrator at {url} to answer: not within 0.2 s\n"


SCRIPTED = "http://model:8080/v1"


@pytest.mark.parametrize(
    ("arguments", "model", "api"),
    [
        ([], "scripted", SCRIPTED),
        (["--model=", "--model-url=http://elsewhere/v1"], "scripted", SCRIPTED),
        (["--model=real", "--model-url="], "real", OPENAI),
        (["--model=real", "--model-url=http://mine/v1"], "real", "http://mine/v1"),
    ],
)
def test_scripted_model_is_the_default(monkeypatch, tmp_path: Path, arguments, model, api):
    needed = ["--folder", str(tmp_path), "--url", "http://me:8080", "--scripted-url", SCRIPTED]
    monkeypatch.setattr(sys, "argv", ["configure", *needed, *arguments])
    configure()
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["model"]["model"], config["model"]["base_url"]) == (model, api)
    assert json.loads((tmp_path / "agent-card.json").read_text())["url"] == "http://me:8080"

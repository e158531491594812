"""Writes the configuration of a kagent orchestrator, as kagent's controller would.

    python -m hotpeers_demo.configure --folder /config --url http://orchestrator:8080

The model is the scripted one, unless `--model` names a real one. compose.yaml starts this.
"""

import argparse
from pathlib import Path

from hotpeers_demo.model_proxy import OPENAI
from hotpeers_demo.orchestrator import write_kagent_configuration


def main() -> None:
    """Write the files, and end."""
    parser = argparse.ArgumentParser(description="Configures a kagent orchestrator.")
    parser.add_argument("--folder", type=Path, required=True, help="for the two files")
    parser.add_argument("--url", required=True, help="where the orchestrator will be reached")
    parser.add_argument("--scripted-url", required=True, help="the API of the scripted model")
    parser.add_argument("--model", default="", help="a real model, in place of the scripted one")
    parser.add_argument("--model-url", default="", help="the API of the real model, if not OpenAI")
    options = parser.parse_args()
    if options.model:
        model, api = options.model, options.model_url or OPENAI
    else:
        model, api = "scripted", options.scripted_url
    write_kagent_configuration(options.folder, model, api, options.url)


if __name__ == "__main__":
    main()

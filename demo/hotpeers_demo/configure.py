"""Writes the configuration of a kagent orchestrator, as kagent's controller does.

    python -m hotpeers_demo.configure --folder /config --url http://orchestrator:8080

The model is the scripted one, unless `--model` names a real one. compose.yaml runs this program.
"""

import argparse
from pathlib import Path

from hotpeers_demo.model_proxy import OPENAI
from hotpeers_demo.orchestrator import write_kagent_configuration


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description="Configures a kagent orchestrator.")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the two files")
    parser.add_argument("--url", required=True, help="URL of the orchestrator")
    parser.add_argument("--scripted-url", required=True, help="URL of the scripted model's API")
    parser.add_argument(
        "--model", default="", help="name of a real model, in place of the scripted one"
    )
    parser.add_argument(
        "--model-url", default="", help="URL of the real model's API, if not OpenAI"
    )
    options = parser.parse_args()
    if options.model:
        model, api = options.model, options.model_url or OPENAI
    else:
        model, api = "scripted", options.scripted_url
    write_kagent_configuration(options.folder, model, api, options.url)


if __name__ == "__main__":
    main()

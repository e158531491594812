"""The servers that pods reach on this machine: a scripted model, and kagent's controller API.

python servers.py model HOST PORT
python servers.py controller HOST PORT
"""

import sys

import uvicorn

from hotpeers_demo import controller, model_server

_APPS = {"model": model_server.make_app, "controller": controller.make_app}


def main(which: str, host: str, port: str) -> None:
    app = _APPS[which]()
    uvicorn.run(app, host=host, port=int(port), log_level="warning", lifespan="off")


if __name__ == "__main__":
    main(*sys.argv[1:])

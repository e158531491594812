"""The program of the image `localhost/peer:1`: the demonstration's sub-agent, at every address.

Its name, its words and its URL come from the environment: NAME, SAYS, URL.
"""

import os

import uvicorn

from hotpeers_demo.subagent import SubAgent, make_app


def main() -> None:
    agent = SubAgent(os.environ["NAME"], os.environ["SAYS"])
    app = make_app(agent, os.environ["URL"])
    uvicorn.run(app, host="0.0.0.0", port=8080, log_level="warning", lifespan="off")


if __name__ == "__main__":
    main()

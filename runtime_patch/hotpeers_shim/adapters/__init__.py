"""The only modules that import google.adk and kagent.adk.

The shim imports them only after the agent has imported `google.adk.runners` (`requests`: after
`starlette.applications`). Modules outside this package must not depend on these libraries.

- `attach`, `role`, `step`: which agents get peers, and when (google-adk 1.16 to 2.13).
- `toollist`, `toolset`, `tool`: how peers get into an agent's list of tools.
- `offering`, `catalog_tools`, `fleet_tools`: the tools of each step.
- `asking`, `dialogue`, `memory`, `files`: one session with one peer. `calls` makes the calls.
- `requests`, `invocations`: which turns are in flight.
- `approval`: what a human's approval is bound to. `kagent`: what kagent adds.
"""

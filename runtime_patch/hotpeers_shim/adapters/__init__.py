"""The only importers of google.adk, kagent.adk and a2a.

Nothing here is imported before the agent has imported `google.adk.runners` (`requests`: before
`starlette.applications`), and nothing outside this package may depend on what those libraries define.

- `attach`, `role`, `step`: which agents get peers, and when (google-adk 1.16 to 2.13).
- `toollist`, `toolset`, `tool`: how peers get into an agent's list of tools.
- `pool`, `call`, `wire0`, `wire1`: how a peer is asked (a2a-sdk 0.3 and 1.x).
- `requests`, `invocations`: which turns are in flight.
- `approval`, `kagent`: what a human's approval is bound to, and what kagent adds.
"""

"""Hot configuration: the shim follows the agent's own config.json while the agent runs.

`content` holds the files, `folder` reads them and `document` parses them. `changes` decides whether
a change needs a restart, and `check` whether new files are good. `hashing`, `wanted`, `container`
and `proof` verify kagent's config-hash. `follower` combines these modules. Nothing here knows
kagent's classes: `adapters.hotconfig` provides them as a `runtime.Runtime`.
"""

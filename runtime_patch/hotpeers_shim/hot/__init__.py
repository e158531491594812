"""Hot configuration: the agent's own config.json, followed while the agent runs.

`content` holds the files, `folder` reads them, `document` parses them, `changes` decides what needs a
restart, `judging` says whether new files are good, `hashing`, `wanted`, `container` and `proof` verify
kagent's config-hash, and `follower` puts these together. Nothing here knows kagent's classes:
`adapters.hotconfig` brings those, as a `runtime.Runtime`.
"""

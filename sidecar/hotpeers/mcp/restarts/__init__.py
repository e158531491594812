"""Restarts the agent beside the bridge with a new configuration when it is idle.

For a runtime that reads its configuration only at its start (kagent's Go runtime). `decision` decides,
and is pure. `watch` observes the agent's process by its listening sockets (`sockets`). `files` reads
and writes configurations. `memory` is what a restarted sidecar must still know. `proof` verifies
kagent's config-hash. `keeper` combines these modules. Nothing here stops a process: kubelet does,
when the agent's liveness probe finds the file that `keeper` makes (docs/decisions/restart-when-idle.md).
"""

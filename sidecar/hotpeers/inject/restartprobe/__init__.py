"""The program that the agent's liveness probe runs: it fails once for each restart that is asked for.

The probe must not fail for any other reason, such as a sidecar that is down. So it does not ask the
sidecar: it removes a file, which the sidecar makes, and fails only if there was one. Removing a file
is atomic, so one file causes one restart (docs/decisions/restart-when-idle.md).
"""

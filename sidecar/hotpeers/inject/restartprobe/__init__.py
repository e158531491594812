"""The program that the agent's liveness probe runs: it fails once for each restart that is asked for.

The probe must not fail for any other reason, such as a sidecar that is down. So it does not ask the
sidecar: it removes a file, which the sidecar makes, and fails only if there was one. Removing a file
is atomic, so one file causes one restart. The sidecar keeps renewing the file's time while it sees no
turn. The probe ignores a file that is older than a few seconds, because a sidecar that has ended or
hangs could not take it back (docs/decisions/restart-when-idle.md).
"""

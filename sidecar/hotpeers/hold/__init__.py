"""Rollout hold, as pure functions: what differs, what to patch, when to release, when to repay.

Nothing in here asks a server or looks at a clock. What acts on it is `controller.hold`.
"""

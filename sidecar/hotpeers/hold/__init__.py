"""Rollout hold as pure functions: differences, patches, and the conditions of release and repayment.

No module here calls a server or reads a clock. `controller.hold` acts on the results.
"""

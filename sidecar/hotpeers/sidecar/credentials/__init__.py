"""Credentials for peers: the operator's document, tokens, delivery to the agent, and the relay.

Only this package and the credential file hold secrets. This package never writes a secret into a
message.
"""

"""What peers ask for: the operator's document, tokens, their delivery to the agent, and the relay.

Secrets live here and in the credential file alone. Nothing in here puts one into a message.
"""

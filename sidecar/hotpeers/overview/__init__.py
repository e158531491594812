"""`hotpeers status` and `hotpeers history`: what Orchestrators and sidecars report, for people.

Nothing here decides about peers, and nothing writes to a cluster. Every text comes from others and is
cleaned when it is read. The tables are made in `cli`.
"""

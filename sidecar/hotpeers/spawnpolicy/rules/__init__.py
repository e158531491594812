"""The rules of a SpawnPolicy, with one module for each part of an Agent.

All rules use `walk`, which visits every field of an object and denies fields without a rule. A new rule
is a function here and a reason in `spawnpolicy.reasons`.
"""

"""The rules of a SpawnPolicy: one module for each part of an Agent that a rule is about.

`walk` is what all rules use: it visits every field of an object and denies the fields that no rule
knows. A new rule is a function here and a reason in `spawnpolicy`.
"""

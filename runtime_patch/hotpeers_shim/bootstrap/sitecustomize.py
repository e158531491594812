"""Loads the shim at interpreter start, then the `sitecustomize` that this one hides.

It is the first on PYTHONPATH, and Python runs only the first. Whatever goes wrong in the shim, the
program starts as without it; what goes wrong in the next `sitecustomize` is its own affair.
"""

import hotpeers_bootstrap

hotpeers_bootstrap.begin()
hotpeers_bootstrap.chain(__file__)

"""Loads the shim at interpreter start, then runs the `sitecustomize` that this one hides.

This folder is the first on PYTHONPATH, and Python runs only the first `sitecustomize`. An error in
the shim never stops the program. An error in the next `sitecustomize` is passed on unchanged.
"""

import hotpeers_bootstrap

hotpeers_bootstrap.begin()
hotpeers_bootstrap.chain(__file__)

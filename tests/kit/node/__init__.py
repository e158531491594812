"""A real Kubernetes node for the tests, in namespaces of its own.

`binaries` builds its programs, once a machine; `machine` makes the namespaces (`setup.sh`,
`addresses`); `control_plane`, `kubelet` and `runtime` say how its programs are started, and `node`
brings it up and ends it. `python`, `image` and `images` make what its pods run, with no registry,
and `store` keeps that for the next node. Nothing in here imports the product.
"""

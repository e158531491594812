"""A real Kubernetes node for the tests, in namespaces of its own: nothing of the machine is touched.

`binaries` builds it, once a machine; `machine` makes the namespaces, `control_plane`, `runtime` and
`dns` say how its programs are started, `node` brings it up and ends it; `layers` and `images` make
the images that its pods run, with no registry. Nothing in here imports the product.
"""

"""The Helm chart, rendered, checked and really installed on the test cluster.

`binaries` builds helm once a machine, and `helm` runs it; `rendering` copies and renders what
k8s/ holds in two places (`make manifests`), `values` reads the comments
of the chart's values; `operators` has definitions of other people's kinds, and
`inventory` says what there is in a cluster.
"""

"""`hotpeers console`: a page over all orchestrators of a cluster, for people who sign in.

It reads the cluster and changes nothing. A user sees the namespaces in which he may list
Orchestrators. No other program imports this package. What is a problem of an orchestrator is decided in
`overview`, and what pages have in common with the page of the sidecar is in `page`.
"""

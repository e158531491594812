"""A real etcd and kube-apiserver for the tests, and a plain client to set the scene with.

`binaries` builds the two programs once a machine; `certificates`, `processes` and `server` run
them; `client` speaks to the server as a test does; `accounts` makes identities of least rights;
`proxy` stands between a client and the server to break what is between them; `fixtures` is the
pytest plugin. Nothing in here imports the product: a test that looks at the product must not use
its code to look.
"""

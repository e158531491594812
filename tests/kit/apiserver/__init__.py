"""A real etcd and kube-apiserver for the tests, and a plain client to set the scene with.

`gobuild` builds programs that a go.mod pins, once a machine, and `binaries` these two with it;
`certificates`, `processes` and `server` run them; `client` speaks to the server as a test does;
`kubeconfig` tells the product where a server is; `accounts` makes identities of least rights;
`proxy` stands between a client and the server to break what is between them; `fixtures` is the
pytest plugin. Nothing in here imports the product: a test that looks at the product must not use
its code to look.
"""

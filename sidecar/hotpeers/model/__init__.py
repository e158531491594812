"""What a source yields, and the views of the manifests that it is made of.

Everything in here is checked and cleaned input, in frozen values; nothing in here reads a file,
opens a connection or decides whether a peer is offered.
"""

"""The program that reads PYTHONPATH as an image sets it, in a container of that image.

It is put on the shim's volume and runs in any image: a static one, of system calls alone, since an
image may have no shell, and its Python may be anywhere. Tekton and Argo Workflows start their own
static programs in images of others in the same way.
"""

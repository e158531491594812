"""The program that reads PYTHONPATH as an image sets it, in a container of that image.

The program is copied to the shim's volume. It must run in any image: an image may have no shell, and
its Python may be anywhere. So it is static and uses only system calls. Tekton and Argo Workflows run
their static programs in images of other authors in the same way.
"""

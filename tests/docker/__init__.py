"""The image and compose.yaml, built and run for real (`make test-docker`), with a dockerd of its own if need be."""

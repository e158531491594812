"""The image and compose.yaml, built and run for real: `make test-docker`."""

"""The controller's own certificates: makes, stores, renews and serves them."""

"""Our webhook configurations in the cluster: their caBundle, and which accounts they match."""

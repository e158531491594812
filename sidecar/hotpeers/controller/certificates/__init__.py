"""The controller's own certificates: how they are created, stored, renewed and served."""

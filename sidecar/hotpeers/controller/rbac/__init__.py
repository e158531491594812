"""The RoleBindings that let injected sidecars read peers."""

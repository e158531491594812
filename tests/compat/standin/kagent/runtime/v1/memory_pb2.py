"""Of kagent-proto: imported by kagent, and not used here."""

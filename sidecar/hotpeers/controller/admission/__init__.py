"""Admission: the guard's and the injection's webhooks, and what they know of the cluster."""

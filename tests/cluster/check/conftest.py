"""helm, for the rights of a release."""

from kit.chart.fixtures import helm, helm_program

__all__ = ["helm", "helm_program"]

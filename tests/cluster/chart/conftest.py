"""The fixtures of the chart's tests."""

from kit.chart.fixtures import helm, helm_program

__all__ = ["helm", "helm_program"]

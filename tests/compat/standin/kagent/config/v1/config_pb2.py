"""See `adk_pb2`."""

from kagent.config.v1.adk_pb2 import OTLPConfig, TelemetryConfig, TokenPropagationConfig

__all__ = ["OTLPConfig", "TelemetryConfig", "TokenPropagationConfig"]

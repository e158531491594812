"""See `adk_pb2`."""


class OTLPConfig:
    pass


class TelemetryConfig:
    pass


class TokenPropagationConfig:
    pass

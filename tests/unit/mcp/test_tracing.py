"""Which settings of OpenTelemetry are met, and what is said of the others."""

import logging
import sys

import pytest

from hotpeers.mcp import tracing

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, ""),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "only http/protobuf is supported"),
        (
            {
                **ENDPOINT,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json",
            },
            "only http/protobuf is supported",
        ),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "jaeger"}, "only otlp is supported"),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, "only otlp is supported"),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, "OTEL_SDK_DISABLED is true"),
    ],
)
def test_settings_that_export_nothing(
    environ: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert not tracing.set_up_tracing("x", dict(environ))
    assert said in caplog.text
    assert bool(said) == bool(caplog.records)
    assert not tracing.is_on()


def test_without_the_extra_the_program_runs_on_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert not tracing.set_up_tracing("x", dict(ENDPOINT))
    assert "install hotpeers[traces]" in caplog.text
    assert not tracing.is_on()

"""The messages of kagent's `ADKAgentConfig`, as far as an agent with one OpenAI model needs them.

A stand-in for the package kagent-proto, which is in kagent's images alone. Only what
`kagent-adk static` of 1.0.0a17 reads is here.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_TEXT, _FLAG, _NUMBER, _MESSAGE = (
    _Field.TYPE_STRING,
    _Field.TYPE_BOOL,
    _Field.TYPE_INT32,
    _Field.TYPE_MESSAGE,
)
_SHAPES: dict[str, list[tuple]] = {
    "ADKOpenAI": [
        *((name, _TEXT) for name in ("base_url", "reasoning_effort", "api_format")),
        *((name, _NUMBER) for name in ("frequency_penalty", "max_tokens", "max_completion_tokens")),
        *((name, _NUMBER) for name in ("n", "presence_penalty", "seed", "temperature", "top_p")),
        ("timeout", _MESSAGE, "ADKEmpty"),
        ("token_exchange", _MESSAGE, "ADKTokenExchangeConfig"),
    ],
    "ADKModelConfig": [
        ("model", _TEXT),
        ("headers", _MESSAGE, "ADKEmpty", "repeated"),
        ("api_key_passthrough", _FLAG),
        ("tls_insecure_skip_verify", _FLAG),
        ("tls_ca_cert_path", _TEXT),
        ("tls_disable_system_cas", _FLAG),
        ("openai", _MESSAGE, "ADKOpenAI", "provider"),
    ],
    "ADKAgentConfig": [
        ("model", _MESSAGE, "ADKModelConfig"),
        ("description", _TEXT),
        ("instruction", _TEXT),
        ("stream", _FLAG),
        ("http_tools", _MESSAGE, "ADKHTTPMCPServerConfig", "repeated"),
        ("sse_tools", _MESSAGE, "ADKSSEMCPServerConfig", "repeated"),
        ("remote_agents", _MESSAGE, "ADKRemoteAgentConfig", "repeated"),
        ("memory", _MESSAGE, "ADKMemoryConfig"),
        ("context_config", _MESSAGE, "ADKContextConfig"),
        ("session_db_url", _TEXT),
        ("skills_directory", _TEXT),
        ("sub_agents", _MESSAGE, "ADKEmpty", "repeated"),
    ],
    "BuiltinTools": [
        ("disable_file_search", _FLAG),
        ("bash_venv_path", _TEXT),
        ("disable_bash", _FLAG),
    ],
    "TokenPropagationConfig": [
        ("sts_well_known_uri", _TEXT),
        ("enabled", _FLAG),
        ("resources", _TEXT, "", "repeated"),
        ("audiences", _TEXT, "", "repeated"),
    ],
    "OTLPConfig": [("endpoint", _TEXT), ("protocol", _TEXT), ("timeout", _MESSAGE, "ADKEmpty")],
    "TelemetryConfig": [
        ("traces", _MESSAGE, "OTLPConfig"),
        ("metrics", _MESSAGE, "OTLPConfig"),
        ("logs", _MESSAGE, "OTLPConfig"),
        ("capture_content", _FLAG),
        ("resource_attributes", _MESSAGE, "TelemetryConfig.ResourceAttributesEntry", "repeated"),
    ],
    "ADKRuntimeConfig": [
        *((name, _TEXT) for name in ("control_plane_url", "gateway_url", "name", "namespace")),
        *((name, _TEXT) for name in ("host", "log_level")),
        ("port", _NUMBER),
        ("max_content_length", _NUMBER),
        ("builtin_tools", _MESSAGE, "BuiltinTools"),
        ("token_propagation", _MESSAGE, "TokenPropagationConfig"),
        ("telemetry", _MESSAGE, "TelemetryConfig"),
    ],
    "ADKConfig": [
        ("agent", _MESSAGE, "ADKAgentConfig"),
        ("runtime", _MESSAGE, "ADKRuntimeConfig"),
    ],
}
_EMPTY = [
    "ADKAnthropic",
    "ADKAzureOpenAI",
    "ADKBedrock",
    "ADKCompressionConfig",
    "ADKContextConfig",
    "ADKEmbeddingConfig",
    "ADKEmpty",
    "ADKFoundry",
    "ADKGDCHTokenExchangeConfig",
    "ADKGemini",
    "ADKGeminiAnthropic",
    "ADKGeminiVertexAI",
    "ADKHTTPMCPServerConfig",
    "ADKMemoryConfig",
    "ADKMistral",
    "ADKNetworkConfig",
    "ADKOllama",
    "ADKRemoteAgentConfig",
    "ADKSAPAICore",
    "ADKSSEMCPServerConfig",
    "ADKTokenExchangeConfig",
]


def _describe() -> descriptor_pb2.FileDescriptorProto:
    # proto2: presence of each field is known, as of optional fields in the contract.
    file = descriptor_pb2.FileDescriptorProto(
        name="kagent/config/v1/adk.proto", package="kagent.config.v1", syntax="proto2"
    )
    for name in _EMPTY:
        file.message_type.add(name=name)
    for name, fields in _SHAPES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind, *more) in enumerate(fields, 1):
            added = message.field.add(
                name=field, number=number, type=kind, label=_Field.LABEL_OPTIONAL
            )
            if more and more[0]:
                added.type_name = f".kagent.config.v1.{more[0]}"
            if "repeated" in more:
                added.label = _Field.LABEL_REPEATED
            elif len(more) > 1:
                message.oneof_decl.add(name=more[1])
                added.oneof_index = 0
        if name == "TelemetryConfig":
            entry = message.nested_type.add(name="ResourceAttributesEntry")
            entry.options.map_entry = True
            for number, field in enumerate(("key", "value"), 1):
                entry.field.add(name=field, number=number, type=_TEXT, label=_Field.LABEL_OPTIONAL)
    return file


_pool = descriptor_pool.Default()
DESCRIPTOR = _pool.AddSerializedFile(_describe().SerializeToString())
globals().update(
    {
        name: message_factory.GetMessageClass(
            _pool.FindMessageTypeByName(f"kagent.config.v1.{name}")
        )
        for name in (*_EMPTY, *_SHAPES)
    }
)

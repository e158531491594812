"""The contract of sidecar and shim: the peer file, the ack file and the credential file, version 1.

The sidecar writes `peers.json` and reads `ack-<pid>.json`; the shim does the reverse. For this,
both use the dataclasses, limits and functions of this package. `credentials` defines the credential
file, and `prefixes` decides which of its entries applies to a URL.

Reading never raises: `load_peer_file` and `load_ack` accept any bytes, and return either the value
or a `Rejection` with the reason and the field. Unknown fields are ignored. Unknown major versions
are refused. For every valid value, `load(dump(value)) == value`.
"""

from .acks import dump_ack, dump_config_ack, load_ack
from .limits import (
    API_VERSION,
    DEFAULT_DEPTH,
    MAX_ACK_BYTES,
    MAX_DEPTH,
    MAX_DESCRIPTION,
    MAX_FILE_BYTES,
    MAX_INTERFACES,
    MAX_NAME,
    MAX_PEER_BYTES,
    MAX_PEERS,
    MAX_RESTARTS,
    MAX_SKILLS,
    MAX_TIMEOUT,
    MAX_TOOL_NAME,
    MAX_URL,
)
from .naming import fingerprint_of, says_in_ascii, tool_name
from .peers import (
    digest_of,
    digest_of_digests,
    digest_of_peer,
    dump_peer_file,
    encode_peer,
    load_peer_file,
    peer_file_parts,
)
from .reasons import (
    AGENT_PROBLEM_SENTENCES,
    CALL_PROBLEM_SENTENCES,
    CONFIG_PROBLEM_SENTENCES,
    NACK_SENTENCES,
    PEER_PROBLEM_SENTENCES,
    AgentProblem,
    CallProblem,
    ConfigProblem,
    Nack,
    PeerProblem,
)
from .text import clean_text, cut_text, visible_text
from .values import (
    Ack,
    AckState,
    CallFailure,
    ConfigAck,
    ConfigState,
    Interface,
    Peer,
    PeerFile,
    Refusal,
    Rejection,
    Skill,
)

__all__ = [
    "AGENT_PROBLEM_SENTENCES",
    "AgentProblem",
    "API_VERSION",
    "CALL_PROBLEM_SENTENCES",
    "CONFIG_PROBLEM_SENTENCES",
    "DEFAULT_DEPTH",
    "MAX_ACK_BYTES",
    "MAX_DEPTH",
    "MAX_DESCRIPTION",
    "MAX_FILE_BYTES",
    "MAX_INTERFACES",
    "MAX_NAME",
    "MAX_PEERS",
    "MAX_PEER_BYTES",
    "MAX_RESTARTS",
    "MAX_SKILLS",
    "MAX_TIMEOUT",
    "MAX_TOOL_NAME",
    "MAX_URL",
    "NACK_SENTENCES",
    "PEER_PROBLEM_SENTENCES",
    "Ack",
    "AckState",
    "CallFailure",
    "CallProblem",
    "ConfigAck",
    "ConfigProblem",
    "ConfigState",
    "Interface",
    "Nack",
    "Peer",
    "PeerFile",
    "PeerProblem",
    "Refusal",
    "Rejection",
    "Skill",
    "clean_text",
    "cut_text",
    "digest_of",
    "digest_of_digests",
    "digest_of_peer",
    "dump_ack",
    "dump_config_ack",
    "dump_peer_file",
    "encode_peer",
    "fingerprint_of",
    "load_ack",
    "load_peer_file",
    "peer_file_parts",
    "says_in_ascii",
    "tool_name",
    "visible_text",
]

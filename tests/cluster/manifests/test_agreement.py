"""Whatever Peer the API server lets in, the sidecar can read: nothing is refused twice over."""

import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hotpeers.model.manifest import read_manifests
from kit.apiserver.client import ApiError, Object
from kit.apiserver.resources import peer
from kit.apiserver.server import Cluster

URL = "http://weather:8080"


def joined(*parts: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(parts), max_size=6).map("".join)


URLS = st.tuples(
    st.sampled_from(["http://", "https://", "HTTP://", "http:/", URL, ""]),
    joined(
        *("weather", "10.0.0.1", "[::1]", "[", "]", ":", "8080", "65536", "0080", "/", "//", "@"),
        *("?", "#", "%", "%2f", "..", " ", "\\", "é", '"', "::1", "|", "^", "\n", "\x7f"),
    ),
).map("".join)
CARDS = joined(
    *("/", "//", "http:", "https://", URL, f"{URL}0", "weather", "@", "?", "#", ":", "..", "\\"),
    *(" ", "%2f", "mailto:", "a+b:", "\t"),
)
TIMES = st.one_of(
    joined("0", "1", "24", "9999999999", ".", "h", "m", "s", "ms", "us", "-", "+", " ", "0.5", "٣"),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
SPECS = st.one_of(
    st.fixed_dictionaries({"url": URLS}),
    st.fixed_dictionaries({"url": st.sampled_from([URL, f"{URL}/a2a"]), "cardPath": CARDS}),
    st.fixed_dictionaries({"url": st.just(URL), "timeout": TIMES}),
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(spec=SPECS)
@example(spec={"url": f"{URL}/".ljust(2020, "a"), "cardPath": "a" * 27})
@example(spec={"url": URL, "timeout": "86400s"})
def test_sidecar_reads_each_peer_that_the_api_server_admits(
    cluster: Cluster, crds: list[str], spec: dict[str, Any]
) -> None:
    manifest: Object = {**peer("default", "it"), "spec": spec}
    refusal = refused(cluster, manifest)
    if refusal is None:
        assert read_manifests(json.dumps(manifest).encode(), "it.json").problems == ()
    else:
        assert refusal.status == 422, refusal
        # A rule that breaks on its input would tell people about itself, not about that.
        assert "evaluation" not in refusal.message


def refused(cluster: Cluster, manifest: Object) -> ApiError | None:
    path = cluster.api.path(manifest, named=False)
    try:
        cluster.api.request("POST", f"{path}?dryRun=All", manifest)
    except ApiError as error:
        return error
    return None

"""kagent's config-hash, and which Secrets a process is proven to have started with."""

import hashlib

from hotpeers_shim.hot.content import Content
from hotpeers_shim.hot.hashing import Start, Wanted, config_hash, started_with
from hotpeers_shim.hot.proof import Proof

OLD = Content(b'{"instruction":"old"}', b'{"name":"a"}')
NEW = Content(b'{"instruction":"new"}', b'{"name":"a"}')
SECRETS, ROTATED = b"\x01" * 32, b"\x02" * 32
HELD = 1000.0


def start(content=OLD, hashed=None, time=HELD - 100):
    return Start(content, config_hash(OLD, SECRETS) if hashed is None else hashed, time)


def wanted(content, secrets=SECRETS, since=HELD):
    return Wanted(config_hash(content, secrets), secrets, since)


def asked(live, wanted):
    return config_hash(live, wanted.secrets), wanted


def test_the_hash_covers_each_part_in_kagents_order():
    content = Content(b"config", b"card", b"srt", b"skills")
    expected = hashlib.sha256(b"config" + b"card" + b"S" + b"srt" + b"skills").digest()[:8]
    assert config_hash(content, b"S") == str(int.from_bytes(expected, "big"))


def test_new_content_with_the_secrets_of_the_start_is_proven():
    assert Proof(start()).of(*asked(NEW, wanted(NEW))) == (wanted(NEW).hash, False)


def test_a_rotated_secret_is_found_beside_new_content():
    assert Proof(start()).of(*asked(NEW, wanted(NEW, ROTATED))) == ("", True)


def test_rotated_secret_is_found_with_unchanged_content():
    """The content equals the one at the start of the process, so the content alone would verify."""
    assert Proof(start()).of(*asked(OLD, wanted(OLD, ROTATED))) == ("", True)


def test_unwanted_content_does_not_verify():
    """kubelet may have projected the older Secret still."""
    assert Proof(start()).of(*asked(OLD, wanted(NEW))) == ("", False)


def test_a_pod_that_is_made_while_its_deployment_is_held_is_proven():
    """Its template has the older hash, and its Secret the newer content."""
    late = start(NEW, time=HELD + 60)
    proof = Proof(late)
    assert proof.of(*asked(NEW, wanted(NEW))) == (wanted(NEW).hash, False)
    assert proof.of(*asked(OLD, wanted(OLD, since=HELD + 90))) == (wanted(OLD).hash, False)
    assert proof.of(*asked(OLD, wanted(OLD, ROTATED, HELD + 90))) == ("", True)


def test_process_started_near_the_hold_is_not_proven():
    """Within the skew of two clocks, or where it was not said since when."""
    for since in (HELD, None):
        near = start(NEW, time=HELD + 1)
        assert not started_with(near, wanted(NEW, since=since))


def test_unknown_pod_hash_does_not_verify():
    assert Proof(start(hashed="")).of(*asked(NEW, wanted(NEW))) == ("", True)


def test_proven_secrets_stay_proven():
    """Two changes in quick succession, the first of which the process never saw."""
    proof = Proof(start())
    assert proof.of(*asked(NEW, wanted(NEW)))[0]
    third = Content(b'{"instruction":"third"}', b'{"name":"a"}')
    assert proof.of(*asked(third, wanted(third))) == (wanted(third).hash, False)

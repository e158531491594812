"""The token: where it comes from, and that no message contains it."""

import pytest

from hotpeers_shim.feed.token import TokenError, read_token
from hotpeers_shim.settings import Settings


def test_the_file_wins_and_is_read_each_time(tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    assert read_token(file, "other") == "first"
    file.write_text("second")
    assert read_token(file, "other") == "second"
    assert read_token(None, " other ") == "other"
    assert read_token(None, "Bearer other") == read_token(None, "bearer  other\n") == "other"
    assert read_token(None, "") == ""


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"two words", b"a\r\nX: y", b"\xff", b"x" * 20_000]
)
def test_bad_token_is_refused_and_not_repeated(tmp_path, content):
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(TokenError, match="token") as caught:
        read_token(file, "other")
    assert not content.strip() or content.decode("latin-1")[:5] not in str(caught.value)


def test_missing_file_is_a_problem_and_not_replaced_by_the_variable(tmp_path):
    with pytest.raises(TokenError, match="No such file"):
        read_token(tmp_path / "none", "other")


@pytest.mark.parametrize("value", ["two words", "snowman-☃"])
def test_bad_variable_is_refused(value):
    with pytest.raises(TokenError, match="HOTPEERS_PEERS_TOKEN"):
        read_token(None, value)


def test_printed_settings_do_not_show_the_token():
    settings = Settings.read({"HOTPEERS_PEERS_TOKEN": "secret", "HOTPEERS_PEERS_WAIT": "900"})
    assert settings.peers_token == "secret"
    assert "secret" not in repr(settings)
    assert settings.peers_wait == 60.0

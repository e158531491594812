"""Reads the bearer token for the hub. A message never contains the token or a part of it."""

from __future__ import annotations

from pathlib import Path

MAX_TOKEN = 16 * 1024
"""The longest token, in bytes."""


class TokenError(Exception):
    """There is no usable token; the message says why."""


def read_token(file: Path | None, value: str) -> str:
    """The token in `file`, or else `value`; "" if there is neither. Raises `TokenError`.

    Call it for each request, because a mounted file changes when the token is renewed. Without a
    token, no `Authorization` is sent: a proxy on the way may add one.
    """
    if file is not None:
        try:
            with file.open("rb") as stream:
                raw = stream.read(MAX_TOKEN + 1)
        except OSError as error:
            raise TokenError(f"{file} cannot be read: {error.strerror}") from None
        where = str(file)
    else:
        raw, where = value.encode("utf-8", "replace"), "HOTPEERS_PEERS_TOKEN"
    if len(raw) > MAX_TOKEN:
        raise TokenError(f"{where} is longer than {MAX_TOKEN} bytes")
    token = raw.strip()
    if token[:7].lower() == b"bearer ":
        # Many systems keep the whole value of the header in a Secret.
        token = token[7:].strip()
    if file is not None and not token:
        raise TokenError(f"{where} is empty")
    if not all(0x21 <= sign <= 0x7E for sign in token):
        raise TokenError(f"{where} has spaces or characters that a token cannot have")
    return token.decode("ascii")

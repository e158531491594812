"""How long a call waits for an answer before it points to `get_answer`."""

from __future__ import annotations

from ...base.errors import SettingsError

MAX_WAIT_SECONDS = 3600.0


def parse_wait(text: str) -> float:
    """The wait in seconds. Raises `SettingsError` if it is not from 1 to `MAX_WAIT_SECONDS`."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= MAX_WAIT_SECONDS:
        raise SettingsError(
            f"--wait-seconds (HOTPEERS_WAIT_SECONDS): {text!r} is not a number of seconds from "
            f"1 to {MAX_WAIT_SECONDS:g}"
        )
    return value

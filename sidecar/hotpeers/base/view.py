"""Validated Pydantic views of objects, with one clear line for each error."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hotpeers_shim.contract import Nack, clean_text

from .reasons import Word


class View(BaseModel):
    """A part of a manifest; other fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


_V = TypeVar("_V", bound=View)


class MalformedError(Exception):
    """An object is invalid. `findings` has the reason word, the field and the message of each error."""

    def __init__(self, *findings: tuple[Word, str, str]) -> None:
        super().__init__(str(findings))
        self.findings = findings


def read_view(kind: type[_V], data: Any) -> _V:
    """The view of an object. Raises `MalformedError` if it is invalid."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        findings = [
            (
                Nack.WRONG_SHAPE,
                clean_text(_path(item["loc"]), 200),
                clean_text(_message(dict(item)), 300),
            )
            for item in error.errors(include_url=False)[:20]
        ]
        raise MalformedError(*findings) from error


def _message(item: dict[str, Any]) -> str:
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    text = str(item["msg"]).removeprefix("Input should be ")
    needed = text.removeprefix("a valid ").removeprefix("a ")
    given = "null" if item["input"] is None else type(item["input"]).__name__
    return f"{needed} is needed, not {given}" if text != item["msg"] else text


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        # Pydantic adds the branch of a union to the path; it is not a field of the file.
        if isinstance(part, str) and ("[" in part or part in ("str", "datetime")):
            continue
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path

"""Reads the replies of sub-agents, and renders them for a model. Standard library only, no SDK.

An A2A library returns each event as plain JSON (of protocol 0.3 or 1.x). `parsing` turns it into
values, `Transcript` combines the events of one task, and `rendering` makes the text for the model.
These functions never raise. Calls of peers and limits of bytes are handled elsewhere.
"""

from .parsing import parse_event
from .rendering import contents, render, render_partial
from .transcript import Transcript
from .values import Artifact, Data, File, Part, Reply, State, Text

__all__ = [
    "Artifact",
    "Data",
    "File",
    "Part",
    "Reply",
    "State",
    "Text",
    "Transcript",
    "contents",
    "parse_event",
    "render",
    "render_partial",
]

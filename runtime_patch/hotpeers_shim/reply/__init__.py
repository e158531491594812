"""Reads what a sub-agent replies, and says it to a model. Standard library only, and nothing of any SDK.

An A2A library gives each event as plain JSON (of protocol 0.3 or 1.x); `parsing` makes values of it,
`Transcript` puts the events of one task together, `rendering` makes the text that a model reads.
No input makes these functions raise. What calls a peer, and how its bytes are bounded, is not here.
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

"""Reasons why a request to the API server failed, or a watch ended."""

from __future__ import annotations

from ..base.reasons import Reason


class KubeReason(Reason):
    """Why a request to the API server failed, or a watch ended."""

    UNAUTHORIZED = (
        "Unauthorized",
        "The API server does not know who asks: the credentials are bad or old.",
    )
    FORBIDDEN = (
        "Forbidden",
        "The API server forbids to list or watch it; what was read before stays.",
    )
    NOT_SERVED = "NotServed", "The API server does not serve it now; what was read before stays."
    API_UNREACHABLE = (
        "ApiUnreachable",
        "The API server cannot be reached; what was read before stays.",
    )
    API_BUSY = "ApiBusy", "The API server asks to come back later; what was read before stays."
    API_FAILED = "ApiFailed", "The API server failed to answer; what was read before stays."
    WATCH_CUT = "WatchCut", "A watch was cut; it goes on where it was."
    WATCH_SILENT = (
        "WatchSilent",
        "Nothing came of a watch for too long; it goes on over a new connection.",
    )
    WATCH_EXPIRED = "WatchExpired", "A watch fell too far behind; everything is listed anew."

"""Reasons why a request to the API server failed, or a watch ended."""

from __future__ import annotations

from ..base.reasons import Reason


class KubeReason(Reason):
    """Why a request to the API server failed, or a watch ended."""

    UNAUTHORIZED = "Unauthorized", "The API server rejects the credentials."
    FORBIDDEN = (
        "Forbidden",
        "The API server forbids to list or watch this; the last known state stays.",
    )
    NOT_SERVED = (
        "NotServed",
        "The API server does not serve this kind now; the last known state stays.",
    )
    API_UNREACHABLE = "ApiUnreachable", "The API server is unreachable; the last known state stays."
    API_BUSY = (
        "ApiBusy",
        "The API server is busy and asks for a later retry; the last known state stays.",
    )
    API_FAILED = "ApiFailed", "The API server answered with an error; the last known state stays."
    WATCH_CUT = "WatchCut", "A watch was cut off; it resumes where it was."
    WATCH_SILENT = (
        "WatchSilent",
        "A watch was silent for too long; it resumes over a new connection.",
    )
    WATCH_EXPIRED = "WatchExpired", "A watch fell too far behind; everything is listed again."

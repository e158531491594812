"""What ends a command: each error is one clear line that names what, where and what to do."""

from __future__ import annotations


class HotpeersError(Exception):
    """Anything that is told to the user as one line, with no traceback."""


class SettingsError(HotpeersError):
    """A setting has a value that is not allowed."""


class ListenError(HotpeersError):
    """The HTTP server could not be started."""


class InstallError(HotpeersError):
    """The shim could not be found or copied."""


class StatusError(HotpeersError):
    """The status of a running sidecar could not be read."""


class ConnectionConfigError(HotpeersError):
    """How to reach the API server could not be found out."""


class CertificateError(HotpeersError):
    """A certificate and its key cannot be served with."""


class PeerFileTakenError(HotpeersError):
    """Another process writes the peer file."""


class PeerFileError(HotpeersError):
    """The peer file cannot be written where it was asked for."""


class GovernError(HotpeersError):
    """It is not certain that requests of an account are sent to the guard."""

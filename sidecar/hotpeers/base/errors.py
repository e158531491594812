"""Errors that end a command. Each message is one line: what is wrong, where, and what to do."""

from __future__ import annotations


class HotpeersError(Exception):
    """Base class of errors that are shown to the user as one line, without a traceback."""


class SettingsError(HotpeersError):
    """A setting has a value that is not allowed."""


class ListenError(HotpeersError):
    """The HTTP server could not be started."""


class InstallError(HotpeersError):
    """The shim could not be found or copied."""


class StatusError(HotpeersError):
    """The status of a running sidecar could not be read."""


class ClusterError(HotpeersError):
    """The Orchestrators of a cluster could not be read."""


class ConnectionConfigError(HotpeersError):
    """The configuration for the API server could not be read."""


class CertificateError(HotpeersError):
    """A server cannot use a certificate and its key."""


class PeerFileTakenError(HotpeersError):
    """Another process writes the peer file."""


class PeerFileError(HotpeersError):
    """The peer file cannot be written at the configured path."""


class GovernError(HotpeersError):
    """It is not certain that the API server sends the requests of an account to the guard."""

"""The reason word of each failure of the API server, for reads and for writes."""

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.kube import errors
from hotpeers.kube.reasons import KubeReason
from hotpeers.registry.fault import fault_of, fault_of_write
from hotpeers.registry.reasons import RegistryReason

DENIED = 'admission webhook "guard.hotpeers.dev" denied the request: no'
SILENT = 'Internal error occurred: failed calling webhook "guard.hotpeers.dev": connection refused'


@pytest.mark.parametrize(
    ("error", "asked", "wrote"),
    [
        (
            errors.ForbiddenError("no", 403),
            RegistryReason.RIGHT_MISSING,
            RegistryReason.RIGHT_MISSING,
        ),
        (
            errors.ForbiddenError(DENIED, 403),
            RegistryReason.ADMISSION_DENIED,
            RegistryReason.ADMISSION_DENIED,
        ),
        (
            errors.ServerError(DENIED, 500),
            RegistryReason.ADMISSION_DENIED,
            RegistryReason.ADMISSION_DENIED,
        ),
        (
            errors.ServerError(SILENT, 500),
            RegistryReason.ADMISSION_SILENT,
            RegistryReason.ADMISSION_SILENT,
        ),
        (
            errors.KubeError("bad", 422),
            RegistryReason.OBJECT_INVALID,
            RegistryReason.OBJECT_INVALID,
        ),
        (
            errors.NotFoundError("none", 404),
            RegistryReason.OBJECT_NOT_FOUND,
            RegistryReason.OBJECT_NOT_FOUND,
        ),
        (errors.ConflictError("x", 409), RegistryReason.FIELD_TAKEN, RegistryReason.FIELD_TAKEN),
        (errors.BusyError("x", 429), KubeReason.API_BUSY, KubeReason.API_BUSY),
        (errors.ServerError("x", 504), KubeReason.API_FAILED, RegistryReason.OUTCOME_UNKNOWN),
        (errors.SilentError("x"), KubeReason.API_UNREACHABLE, RegistryReason.OUTCOME_UNKNOWN),
        (
            errors.UnreachableError("cut"),
            KubeReason.API_UNREACHABLE,
            RegistryReason.OUTCOME_UNKNOWN,
        ),
    ],
)
def test_api_errors_map_to_reasons(error: errors.KubeError, asked: Reason, wrote: Reason) -> None:
    assert fault_of(error, "x").reason is asked
    assert fault_of_write(error, "x").reason is wrote
    assert fault_of(error, "x").advice


def test_a_long_denial_is_handed_on_whole() -> None:
    message = DENIED + " x" * 1000
    assert fault_of(errors.ForbiddenError(message, 403), "apply").message == f"apply: {message}"

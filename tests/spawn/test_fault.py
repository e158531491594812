"""Which word a failure of the API server gets, and what is known after it."""

import pytest

from hotpeers.base.reasons import Reason
from hotpeers.kube import errors
from hotpeers.registry.fault import fault_of, fault_of_write

DENIED = 'admission webhook "guard.hotpeers.dev" denied the request: no'
SILENT = 'Internal error occurred: failed calling webhook "guard.hotpeers.dev": connection refused'


@pytest.mark.parametrize(
    ("error", "asked", "wrote"),
    [
        (errors.ForbiddenError("no", 403), Reason.RIGHT_MISSING, Reason.RIGHT_MISSING),
        (errors.ForbiddenError(DENIED, 403), Reason.ADMISSION_DENIED, Reason.ADMISSION_DENIED),
        (errors.ServerError(DENIED, 500), Reason.ADMISSION_DENIED, Reason.ADMISSION_DENIED),
        (errors.ServerError(SILENT, 500), Reason.ADMISSION_SILENT, Reason.ADMISSION_SILENT),
        (errors.KubeError("bad", 422), Reason.OBJECT_INVALID, Reason.OBJECT_INVALID),
        (errors.NotFoundError("none", 404), Reason.OBJECT_NOT_FOUND, Reason.OBJECT_NOT_FOUND),
        (errors.ConflictError("x", 409), Reason.FIELD_TAKEN, Reason.FIELD_TAKEN),
        (errors.BusyError("x", 429), Reason.API_BUSY, Reason.API_BUSY),
        (errors.ServerError("x", 504), Reason.API_FAILED, Reason.OUTCOME_UNKNOWN),
        (errors.SilentError("x"), Reason.API_UNREACHABLE, Reason.OUTCOME_UNKNOWN),
        (errors.UnreachableError("cut"), Reason.API_UNREACHABLE, Reason.OUTCOME_UNKNOWN),
    ],
)
def test_words(error: errors.KubeError, asked: Reason, wrote: Reason) -> None:
    assert fault_of(error, "x").reason is asked
    assert fault_of_write(error, "x").reason is wrote
    assert fault_of(error, "x").advice


def test_a_long_denial_is_handed_on_whole() -> None:
    message = DENIED + " x" * 1000
    assert fault_of(errors.ForbiddenError(message, 403), "apply").message == f"apply: {message}"

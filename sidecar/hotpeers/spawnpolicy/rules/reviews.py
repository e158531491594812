"""Questions about oneself, which are writes to an API server: `kubectl auth can-i`, `auth whoami`.

Nothing is stored, and the answer is about whoever asks. Reviews of others (SubjectAccessReview,
LocalSubjectAccessReview, TokenReview) are refused like everything else.
"""

from __future__ import annotations

from ..request import Request

_SELF = frozenset(
    {
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
    }
)


def is_self_review(request: Request) -> bool:
    """Whether a subject asks what it may do, or who it is."""
    return (
        request.operation == "CREATE"
        and not request.subresource
        and (request.group, request.resource) in _SELF
    )

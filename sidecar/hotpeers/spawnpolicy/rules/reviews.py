"""Self reviews, which the API server handles as writes: `kubectl auth can-i`, `kubectl auth whoami`.

They store nothing, and the answer is about the sender. Reviews of other users (SubjectAccessReview,
LocalSubjectAccessReview, TokenReview) are denied like all other writes.
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
    """Whether a subject asks about its own permissions or identity."""
    return (
        request.operation == "CREATE"
        and not request.subresource
        and (request.group, request.resource) in _SELF
    )

"""Compares image references with the images that a policy allows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .policy import Image

_REFERENCE = re.compile(
    r"(?P<repository>[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def is_allowed(reference: object, images: Iterable[Image]) -> bool:
    """Whether one of the images matches this reference, by repository, then digest and tag."""
    if not isinstance(reference, str) or len(reference) > 512 or not reference.isascii():
        return False
    found = _REFERENCE.fullmatch(reference)
    return found is not None and any(_stands_for(image, found) for image in images)


def _stands_for(image: Image, found: re.Match[str]) -> bool:
    if found["repository"] != image.repository:
        return False
    if found["digest"]:
        # The digest determines what runs. A tag beside it only informs people, but must be listed if
        # the policy lists tags.
        return found["tag"] is None or not image.tags or found["tag"] in image.tags
    return not image.requireDigest and found["tag"] in image.tags


def described(images: Iterable[Image]) -> tuple[str, ...]:
    """The images of a policy as references, for messages."""
    return tuple(
        f"{image.repository}@sha256:…"
        if image.requireDigest
        else f"{image.repository}:({'|'.join(image.tags)})"
        for image in images
    )

"""docs/reasons: one page for each reason, and their index."""

from collections.abc import Iterator

from hotpeers.base.reasons import sentence_of
from hotpeers.cli.explain_text import GROUPS, explanation

_HEAD = """# Reasons

Status, metrics, acks, logs, Events and denials use the same words. `hotpeers explain WORD` prints the page of
a word without a network, also in an injected pod:

```console
$ kubectl -n team exec deploy/concierge -c hotpeers -- hotpeers explain CardUnavailable
```
"""


def reason_pages() -> dict[str, str]:
    """The text of each page, by its path below docs/."""
    pages = {"reasons/README.md": "\n".join(_index())}
    for group in GROUPS:
        for word in group.words:
            # The pages are one folder below the others.
            text = explanation(word.value).replace("](docs/", "](../")
            pages[f"reasons/{word.value}.md"] = f"{text}\n[All reasons](README.md)\n"
    return pages


def _index() -> Iterator[str]:
    yield _HEAD
    for group in GROUPS:
        yield f"## {group.title.replace('`', '')}\n"
        yield f"{group.where[0].upper()}{group.where[1:]}.\n"
        yield "| word | meaning |\n|---|---|"
        for word in group.words:
            yield f"| [`{word.value}`]({word.value}.md) | {sentence_of(word)} |"
        yield ""

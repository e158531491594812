"""Looks at names that are begun before they are needed."""

import asyncio
from dataclasses import dataclass, field

from hotpeers.controller.admission.looks import Looks


@dataclass
class Names:
    """Answers with how often it was asked."""

    asked: list[str] = field(default_factory=list)

    async def occupied(self, namespace: str, name: str, *, known: bool) -> tuple[str, ...]:
        await asyncio.sleep(0)
        self.asked.append(name)
        return (f"{namespace}/{name} {self.asked.count(name)} {known}",)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_look_that_was_begun_is_used_once() -> None:
    looks = Looks(names := Names())  # type: ignore[arg-type]
    looks.begin("team", "a", known=True)
    assert await looks.occupied("team", "a", known=True) == ("team/a 1 True",)
    assert await looks.occupied("team", "a", known=True) == ("team/a 2 True",)
    assert names.asked == ["a", "a"]


async def test_outdated_lookup_is_never_used() -> None:
    clock = Clock()
    looks = Looks(Names(), clock)  # type: ignore[arg-type]
    looks.begin("team", "a", known=False)
    looks.begin("team", "b", known=False)
    for _ in range(5):
        await asyncio.sleep(0)
        clock.now += 0.5
        looks.begin("team", "a", known=False)
    # The lookup of b is two seconds old, although others started later.
    assert await looks.occupied("team", "b", known=False) == ("team/b 2 False",)

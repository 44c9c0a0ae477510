"""What came of the mutations of one golden, in a form that travels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Survivor:
    """A mutation that no stage fails for.

    ``seen`` says what was to be seen of it; ``shifted`` that its outputs are beyond the error
    budget, which a test tells of but by default does not fail for.
    """

    mutation: str
    path: str
    detail: str
    seen: str
    shifted: bool = False


@dataclass(frozen=True)
class Tried:
    """What became of the mutations of one golden, of that digest, by one route.

    ``noticed`` counts by kind of mutation and by the first stage that failed; ``left_out`` by
    kind those that were too many; ``problem`` is why nothing was tried.
    """

    library: str
    recipe: str
    version: str
    route: str
    current: str = ""
    golden: str = ""
    noticed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    survivors: tuple[Survivor, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def killed(self) -> int:
        return sum(sum(by.values()) for by in self.noticed.values())

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Tried:
        survivors = tuple(Survivor(**one) for one in data["survivors"])
        return cls(**{**data, "survivors": survivors, "notes": tuple(data["notes"])})

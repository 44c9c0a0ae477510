"""Failures by their cause: one cause in forty goldens is one entry with forty goldens."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from pytest_ckptcompat.policy import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_ckptcompat.report.result import Result

#: How many fields and recipes a line names.
NAMED_IN_LINE = 3


@dataclass(frozen=True)
class Cause:
    """A kind of drift and the fields' names, wherever these lie, or what a stage says.

    ``recipes`` and ``versions`` are those of its ``goldens`` goldens, in the order of the run and
    oldest first.
    """

    names: tuple[str, ...]
    kind: str
    goldens: int
    recipes: tuple[str, ...]
    versions: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{some(self.names)} {self.kind}"

    @property
    def span(self) -> str:
        first, last = self.versions[0], self.versions[-1]
        return first if first == last else f"{first} to {last}"

    def __str__(self) -> str:
        goldens = f"{self.goldens} golden{'s' if self.goldens > 1 else ''}"
        recipes = f"{len(self.recipes)} recipe{'s' if len(self.recipes) > 1 else ''}"
        return f"{self.title}: {goldens} of {recipes}, {self.span} ({some(self.recipes)})"


def causes(results: Iterable[Result]) -> tuple[Cause, ...]:
    """Every cause, the one that most goldens show first.

    Causes that the same goldens show are one.
    """
    goldens: dict[tuple[str, str], dict[tuple[str, str], None]] = defaultdict(dict)
    for result in results:
        for cause in failing(result):
            goldens[cause][result.recipe, result.version] = None
    together: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = defaultdict(list)
    for (name, kind), mine in goldens.items():
        together[kind, tuple(mine)].append(name)
    found = [
        Cause(
            names=tuple(names),
            kind=kind,
            goldens=len(which),
            recipes=tuple(dict.fromkeys(recipe for recipe, _ in which)),
            versions=in_order(version for _, version in which),
        )
        for (kind, which), names in together.items()
    ]
    return tuple(sorted(found, key=lambda cause: -cause.goldens))


def failing(result: Result) -> Iterator[tuple[str, str]]:
    """The (name, kind) of each cause for which a golden failed."""
    if result.status != "failed" or not result.version:
        return
    wrong = [f for f in result.findings if f.verdict in (Verdict.FAIL, Verdict.ACK)]
    fields = [f for f in wrong if f.stage == "fields"]
    for finding in fields:
        yield _last(finding.path), str(finding.kind)
    for finding in [] if fields else wrong[:1]:
        yield finding.stage, str(finding.kind)


def _last(path: str) -> str:
    """The field's name in a formatted path, with what numbers follow it."""
    parts = path.split("/")
    named = [at for at, part in enumerate(parts) if not part.isdecimal()]
    return "/".join(parts[named[-1] :]) if named else path


def some(names: Sequence[str]) -> str:
    more = len(names) - NAMED_IN_LINE
    listed = ", ".join(names[:NAMED_IN_LINE])
    return f"{listed} and {more} more" if more > 0 else listed


def in_order(versions: Iterable[str]) -> tuple[str, ...]:
    """Each version once, oldest first; what is no version comes first."""
    return tuple(sorted(set(versions), key=_key))


def _key(version: str) -> tuple[bool, Version, str]:
    try:
        return True, Version(version), version
    except InvalidVersion:
        return False, Version("0"), version

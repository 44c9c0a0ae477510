"""Entries of the ledger for what fails now: one for each recipe, path and kind."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from pytest_ckptcompat.policy import Fate, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_ckptcompat.report.result import Result

#: The verdicts that entries of a section settle.
SETTLES = {
    "acknowledge": (Verdict.ACK,),
    "waive": (Verdict.ACK, Verdict.FAIL),
}


@dataclass(frozen=True)
class NewEntry:
    """An entry to write; what is empty is left out."""

    section: str
    recipe: str
    path: str
    kind: str
    versions: str
    route: str = ""

    def toml(self) -> str:
        keys = ("recipe", "path", "kind", "route", "versions")
        patterns = {"recipe", "path", "kind", "route"}
        lines = [f"[[{self.section}]]"]
        for key in keys:
            value = getattr(self, key)
            if value:
                lines.append(f"{key} = {_quoted(literal(value) if key in patterns else value)}")
        return "\n".join([*lines, 'reason = ""', ""])

    def __str__(self) -> str:
        route = f", route {self.route}" if self.route else ""
        return f"[[{self.section}]] {self.recipe}: {self.path} {self.kind}{route}, {self.versions}"


def literal(text: str) -> str:
    """The pattern that matches a text and nothing else."""
    return re.sub(r"([*?\[])", r"[\1]", text)


def _quoted(text: str) -> str:
    """A basic string of TOML."""
    escaped = (
        f"\\{char}" if char in '"\\' else char if char.isprintable() else f"\\U{ord(char):08x}"
        for char in text.encode("utf-8", "replace").decode("utf-8")
    )
    return '"' + "".join(escaped) + '"'


def wanted(result: Result, section: str) -> list[Finding]:
    """The findings of a golden that entries of a section are to settle.

    A load that failed is settled with the drifts that caused it.
    """
    found = [f for f in result.findings if f.verdict in SETTLES[section]]
    if any(f.stage == "fields" and f.fate is Fate.BROKEN for f in found):
        found = [f for f in found if f.stage != "load"]
    return found


def entries(results: Iterable[Result], section: str) -> list[NewEntry]:
    """What to write so that what fails now in some results does not, and nothing else is selected.

    ``results`` are those of all goldens that ran, also of those that pass: an entry that selects
    one of these would be needed by nothing there.
    """
    goldens = [result for result in results if result.version]
    ran: dict[str, set[_Golden]] = defaultdict(set)
    failing: dict[tuple[str, str, str], set[_Golden]] = defaultdict(set)
    for result in goldens:
        ran[result.recipe].add((result.version, result.route))
        for finding in wanted(result, section):
            key = (result.recipe, finding.path, str(finding.kind))
            failing[key].add((result.version, result.route))
    return [
        NewEntry(section, recipe, path, kind, versions, route)
        for (recipe, path, kind), where in failing.items()
        for route, versions in _selections(where, ran[recipe])
    ]


#: The version and the route.
_Golden = tuple[str, str]


def _selections(where: set[_Golden], ran: set[_Golden]) -> Iterator[tuple[str, str]]:
    """Routes (empty for all) and specifiers that select ``where`` out of ``ran``."""
    versions = {version for version, _ in where}
    if where == {golden for golden in ran if golden[0] in versions}:
        for text in specifiers(versions, {version for version, _ in ran}):
            yield "", text
        return
    for route in sorted({route for _, route in where}):
        mine = {version for version, own in where if own == route}
        for text in specifiers(mine, {version for version, own in ran if own == route}):
            yield route, text


def specifiers(some: set[str], known: set[str]) -> list[str]:
    """PEP 440 specifiers that together select exactly ``some`` of the known versions.

    One for each run of neighbours, since what a specifier's commas join must all hold. The
    oldest run is open to what is older still, which a release recorded later may well be.
    """
    ordered = sorted(known, key=Version)
    found: list[str] = []
    run: list[str] = []
    for version in [*ordered, None]:
        if version is not None and version in some:
            run.append(version)
        elif run:
            found += _specifier(run, ordered)
            run = []
    return found


def _specifier(run: Sequence[str], ordered: Sequence[str]) -> list[str]:
    first, last = Version(run[0]), Version(run[-1])
    if run[0] == ordered[0]:
        text = f"<={last.public}"
    else:
        text = f"=={first}" if len(run) == 1 else f">={first.public},<={last.public}"
    if _selected(text, ordered) == list(run):
        return [text]
    # Local versions (1.0+cpu) compare as their public one, which here is not of this run.
    return [f"==={Version(version)}" for version in run]


def _selected(text: str, ordered: Sequence[str]) -> list[str]:
    chosen = SpecifierSet(text, prereleases=True)
    return [version for version in ordered if chosen.contains(version, prereleases=True)]

"""``golden/<library>/mutation.toml``: survivors that people have explained, each with a reason.

``[[equivalent]]`` is for a mutation that makes the very same checkpoint or layer: it leaves the
score. ``[[finding]]`` is for one that is understood and stays: a field that the loader is
documented to ignore, a golden that cannot be recorded again. It counts as a survivor.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from pytest_ckptcompat.ledger import LedgerError, check_entry, read_entries
from pytest_ckptcompat.mutation import of_loader, of_state
from pytest_ckptcompat.versions import specifier

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from packaging.specifiers import SpecifierSet

    from pytest_ckptcompat.mutation.result import Survivor, Tried

FILE = "mutation.toml"
SECTIONS = ("equivalent", "finding")
_KEYS = ("mutation", "recipe", "path", "detail", "route", "versions", "reason")
#: Every kind of mutation, in the order in which they are told.
KINDS = (*(m.kind for m in of_state.KINDS), *(fault.kind for fault in of_loader.KINDS))


@dataclass(frozen=True)
class Declaration:
    """One entry. ``recipe``, ``path``, ``detail`` and ``route`` are patterns (``*``, ``?``)."""

    section: str
    number: int
    mutation: str
    reason: str
    recipe: str = "*"
    path: str = "*"
    detail: str = "*"
    route: str = "*"
    versions: SpecifierSet = dataclasses.field(default_factory=lambda: specifier(">=0"))

    def __str__(self) -> str:
        narrowed = [
            f"{key} {getattr(self, key)!r}"
            for key in ("recipe", "path", "detail", "route")
            if getattr(self, key) != "*"
        ]
        said = ", ".join((f"mutation {self.mutation!r}", *narrowed))
        return f"[[{self.section}]] no. {self.number} ({said})"

    def selects(self, recipe: str, version: str, route: str) -> bool:
        """Whether it is about that golden and route."""
        return (
            fnmatch.fnmatchcase(recipe, self.recipe)
            and self.versions.contains(Version(version), prereleases=True)
            and fnmatch.fnmatchcase(route, self.route)
        )

    def covers(self, tried: Tried, survivor: Survivor) -> bool:
        return (
            survivor.mutation == self.mutation
            and fnmatch.fnmatchcase(survivor.path, self.path)
            and fnmatch.fnmatchcase(survivor.detail, self.detail)
            and self.selects(tried.recipe, tried.version, tried.route)
        )


def read(file: Path) -> tuple[Declaration, ...]:
    """The entries of the file; none where there is none. Raises LedgerError."""
    return read_entries(file, SECTIONS, _entry)


def _entry(section: str, number: int, data: dict[str, Any], file: Path) -> Declaration:
    where = f"[[{section}]] no. {number} of {file}"
    check_entry(data, _KEYS, ("mutation", "reason"), where)
    if data["mutation"] not in KINDS:
        raise LedgerError(
            f"mutation in {where} is {data['mutation']!r}: it is one of {', '.join(KINDS)}"
        )
    values = {**data, "versions": specifier(data.get("versions", ">=0"))}
    return Declaration(section=section, number=number, **values)


def declaration(
    entries: Sequence[Declaration], tried: Tried, survivor: Survivor
) -> Declaration | None:
    """The first entry that explains a survivor."""
    return next((entry for entry in entries if entry.covers(tried, survivor)), None)


def unused(
    entries: Sequence[Declaration], goldens: Collection[tuple[str, str, str]], all_: Sequence[Tried]
) -> list[Declaration]:
    """Entries that explain no survivor, though all goldens that they are about were tried.

    ``goldens`` are (recipe, version, route) of all that there are.
    """
    done = {(t.recipe, t.version, t.route) for t in all_ if t.problem is None}
    used = {declaration(entries, t, survivor) for t in all_ for survivor in t.survivors}
    return [
        entry
        for entry in entries
        if entry not in used and all(g in done for g in goldens if entry.selects(*g))
    ]

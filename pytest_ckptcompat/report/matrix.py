"""Recipe by version: what each golden came to, and failures that are alike as one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ckptcompat.report.causes import in_order
from pytest_ckptcompat.report.report import shown_status
from pytest_ckptcompat.report.result import LEFT_OUT, SKIPPED, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: What a cell shows, from what needs looking at to what does not. Of several routes, the first.
ORDER = (
    "failed",
    "waived",
    "acknowledged",
    "shifted",
    "handled drift",
    SKIPPED,
    "new",
    "recorded",
    "passed",
    LEFT_OUT,
)

#: What needs no row of its own.
PLAIN = ("passed", "recorded", LEFT_OUT)

#: The column of what no golden is involved in.
NOW = "now"


@dataclass(frozen=True)
class Column:
    """One version, or several in a row of which every shown recipe came to the same."""

    versions: tuple[str, ...]

    @property
    def title(self) -> str:
        first, last = self.versions[0], self.versions[-1]
        return first if first == last else f"{first} to {last}"


@dataclass(frozen=True)
class Matrix:
    """``rows`` are by recipe, a status for each column, empty where there is no golden.

    ``plain`` counts the recipes that are left out since everything of them passed.
    """

    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[str, ...]]
    plain: int


def matrix(results: Iterable[Result], *, fold: bool) -> Matrix:
    """Every recipe and version; folded, what needs looking at alone, equal columns as one."""
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for result in results:
        row, version = cells[result.recipe], result.version or NOW
        found = shown_status(result)
        row[version] = min(row.get(version, found), found, key=ORDER.index)
    versions = [v for v in in_order(v for row in cells.values() for v in row) if v != NOW]
    versions += [NOW] if any(NOW in row for row in cells.values()) else []
    shown = {
        recipe: row
        for recipe, row in sorted(cells.items())
        if not fold or any(status not in PLAIN for status in row.values())
    }
    columns = _folded(versions, shown) if fold else tuple(Column((v,)) for v in versions)
    return Matrix(
        columns,
        {
            recipe: tuple(row.get(column.versions[0], "") for column in columns)
            for recipe, row in shown.items()
        },
        sum(1 for recipe, row in cells.items() if recipe not in shown and _ran(row)),
    )


def _ran(row: Mapping[str, str]) -> bool:
    """Whether anything of a recipe ran: of one that was not selected, goldens are left out too."""
    return any(status != LEFT_OUT for status in row.values())


def _folded(versions: Sequence[str], rows: Mapping[str, Mapping[str, str]]) -> tuple[Column, ...]:
    columns: list[Column] = []
    before: list[str] | None = None
    for version in versions:
        column = [row.get(version, "") for row in rows.values()]
        if not any(column):
            continue
        if version != NOW and column == before:
            columns[-1] = Column((*columns[-1].versions, version))
        else:
            columns.append(Column((version,)))
        before = column
    return tuple(columns)


@dataclass(frozen=True)
class Group:
    """Results of one recipe and route to which the same happened, oldest version first."""

    results: tuple[Result, ...]

    @property
    def newest(self) -> Result:
        return self.results[-1]

    @property
    def status(self) -> str:
        return shown_status(self.newest)

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(result.version for result in self.results if result.version)


def groups(results: Iterable[Result]) -> tuple[Group, ...]:
    """What there is to look at, what needs it most first."""
    found: dict[object, list[Result]] = defaultdict(list)
    for result in results:
        status = shown_status(result)
        if status not in PLAIN and (status != "new" or result.notes):
            found[result.recipe, result.route, status, *_signature(result)].append(result)
    made = [Group(tuple(mine)) for mine in found.values()]
    return tuple(sorted(made, key=lambda group: ORDER.index(group.status)))


def _signature(result: Result) -> tuple[object, ...]:
    """What happened, without the figures, which are each golden's own."""
    if not result.findings:
        return (result.text,)
    return tuple(
        (f.stage, f.kind, f.path, f.verdict, f.text if f.stage == "load" else "")
        for f in result.findings
    )

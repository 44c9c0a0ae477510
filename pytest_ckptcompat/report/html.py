"""A report as one page that loads nothing: see ``page/page.html``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.report.heat import pictures
from pytest_ckptcompat.report.matrix import ORDER, PLAIN, Group, groups, matrix
from pytest_ckptcompat.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_ckptcompat.grids import Cell, Grid
    from pytest_ckptcompat.report.history import Field, History
    from pytest_ckptcompat.report.report import LibraryReport, Report

#: What stands for a status in a cell of the matrix: ``page.css`` has the same.
SIGNS = {
    "failed": "✗",
    "waived": "w",
    "acknowledged": "a",
    "shifted": "≈",
    "handled drift": "~",
    "skipped": "s",
    "new": "+",
    "recorded": "●",
    "passed": "✓",
    "left out": "·",
}

#: How many groups of results a page shows, so that it opens; the JSON report has them all.
MAX_GROUPS = 1000

#: Of how many different colours the bars of a field's history are.
SHADES = 5


def page(report: Report) -> str:
    """The page. Every text in it is escaped; style and script are files of this package."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  pages alone need it
    from markupsafe import Markup  # noqa: PLC0415  the same

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {"slug": _slug, "text": _text}
    template = environment.from_string(_file("page.html"))
    return template.render(
        report=report,
        signs=SIGNS,
        libraries=[_Library(library, at) for at, library in enumerate(report.libraries)],
        style=Markup(_file("page.css")),  # noqa: S704  a file of this package
        script=Markup(_file("page.js")),  # noqa: S704  the same
    )


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")


def _slug(status: str) -> str:
    return status.replace(" ", "-") or "none"


@dataclass(frozen=True)
class _Cell:
    """``target`` is the id of the group that tells more, where there is one."""

    status: str
    target: str


class _Library:
    """A library as the page shows it. ``at`` is its number, for ids."""

    def __init__(self, library: LibraryReport, at: int) -> None:
        self.library = library
        self.id = f"library-{at}"
        counts = library.counts()
        self.counts = [(status, counts[status]) for status in ORDER if status in counts]
        found = groups(library.results)
        shown = enumerate(found[:MAX_GROUPS])
        self.groups = [_Group(group, f"{self.id}-{number}") for number, group in shown]
        self.more = len(found) - len(self.groups)
        made = matrix(library.results, fold=False)
        newer = {release.version for release in library.releases if release.newer}
        self.versions = [(column.title, column.title in newer) for column in made.columns]
        self.width = min(max((len(recipe) for recipe in made.rows), default=0), 44)
        self.rows = self._rows(made.rows, [version for version, _ in self.versions])
        self.histories = [_History(h) for h in sorted(library.histories, key=_steadiest_last)]
        self.origins = _origins(library)

    def _rows(
        self, rows: Mapping[str, tuple[str, ...]], versions: Sequence[str]
    ) -> list[tuple[str, list[_Cell]]]:
        """What needs looking at comes first."""
        targets: dict[tuple[str, str, str], str] = {}
        for group in self.groups:
            for result in group.group.results:
                key = (result.recipe, result.version or "now", group.group.status)
                targets.setdefault(key, group.id)
        made = [
            (
                recipe,
                [
                    _Cell(status, targets.get((recipe, version, status), ""))
                    for version, status in zip(versions, row, strict=True)
                ],
            )
            for recipe, row in rows.items()
        ]
        return sorted(made, key=lambda row: min(_rank(cell.status) for cell in row[1]))


def _rank(status: str) -> int:
    """What is plain is alike, so that recipes without anything to see stay in order."""
    return len(ORDER) if status in PLAIN or not status else ORDER.index(status)


def _steadiest_last(history: History) -> bool:
    return not history.changed()


class _Group:
    """Results of which one stands for all."""

    def __init__(self, group: Group, id_: str) -> None:
        self.group = group
        self.id = id_
        self.newest = group.newest
        self.detail = group.newest.detail
        versions = group.versions
        self.span = " to ".join(dict.fromkeys((versions[0], versions[-1]))) if versions else ""
        self.loads = [f.text for f in self.newest.findings if f.stage == "load"]
        self.others = [f for f in self.newest.findings if f.stage in ("state", "forward")]
        grids = self.detail.grids if self.detail is not None else ()
        self.heats = [_Heat(grid) for grid in grids]


class _Heat:
    """An output's heat maps."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.images = pictures(grid)
        rows, columns = len(grid.error), len(grid.error[0])
        self.rows, self.columns = rows, columns
        self.worst = ""
        if grid.worst_cell is not None:
            row, column = grid.worst_cell
            self.worst = (
                f"left:{100 * column / columns:.4g}%;top:{100 * row / rows:.4g}%;"
                f"width:{100 / columns:.4g}%;height:{100 / rows:.4g}%"
            )
        self.unit = "error budgets" if grid.unit == "budgets" else "units of the output"
        values = _extent((*grid.expected, *grid.got))
        self.extents = {"expected": values, "got": values, "error": _extent(grid.error)}
        shown = {key: getattr(grid, key) for key in ("expected", "got", "error", "block")}
        self.data = json.dumps({**shown, "unit": self.unit, "worst": grid.worst_cell})


def _extent(rows: Sequence[Sequence[Cell]]) -> str:
    """From which number to which the colours go."""
    numbers = [cell for row in rows for cell in row if not isinstance(cell, str)]
    return f"{min(numbers):.3g} to {max(numbers):.3g}" if numbers else "no finite number"


@dataclass(frozen=True)
class _Bar:
    """A row of stretches in which a field was the same; empty where it was not there."""

    width: int
    what: str
    shade: str


class _History:
    """A recipe's fields as bars over the stretches between which one changed."""

    def __init__(self, history: History) -> None:
        self.recipe = history.recipe
        self.versions = history.versions
        stretches = history.stretches()
        self.heads = [
            (stretch[0] if len(stretch) == 1 else f"{stretch[0]} to {stretch[-1]}", len(stretch))
            for stretch in stretches
        ]
        self.changed = [(f.path, list(_bars(f, stretches))) for f in history.changed()]
        steady = [field for field in history.fields if history.is_steady(field)]
        self.steady = [(field.path, field.spans[0].what) for field in steady]


def _bars(field: Field, stretches: Sequence[Sequence[str]]) -> Iterator[_Bar]:
    place = {version: at for at, stretch in enumerate(stretches) for version in stretch}
    shades: dict[str, str] = {}
    after = 0
    for span in field.spans:
        first, last = place[span.first], place[span.last]
        if first > after:
            yield _Bar(first - after, "", "")
        shade = shades.setdefault(span.what, f"shade-{len(shades) % SHADES}")
        yield _Bar(last - first + 1, span.what, shade)
        after = last + 1
    if after < len(stretches):
        yield _Bar(len(stretches) - after, "", "")


def _origins(library: LibraryReport) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """What is known of where goldens come from: the columns, and a row for each release."""
    known: dict[str, None] = {}
    for release in library.releases:
        known |= dict.fromkeys(release.provenance)
    columns = [key for key in known if key not in ("library", "version")]
    return columns, [
        (release.version, [_text(release.provenance.get(key)) for key in columns])
        for release in library.releases
    ]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

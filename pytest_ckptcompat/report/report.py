"""A run as one value, from which every form of report is made."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping  # noqa: TC003  build looks at the annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.report.causes import Cause  # noqa: TC001  the same
from pytest_ckptcompat.report.history import History  # noqa: TC001  the same
from pytest_ckptcompat.report.result import LEFT_OUT, SKIPPED, STATUSES, Result
from pytest_ckptcompat.report.shape import ShapeError, build

if TYPE_CHECKING:
    from pathlib import Path

#: The format of a report in JSON.
FORMAT = 1


class ReportError(Exception):
    """A report that cannot be read, made or written; the sentence says why and what to do."""


@dataclass(frozen=True)
class ReleaseFacts:
    """A release in the store. ``refused`` says what could not be recorded, by recipe, and why;
    ``newer`` is whether it is newer than the current version, and so left out."""

    version: str
    newer: bool
    provenance: Mapping[str, Any]
    refused: Mapping[str, str]


@dataclass(frozen=True)
class LibraryReport:
    """Everything about one library.

    ``releases`` are oldest first. ``results`` are sorted by recipe, version and route, and have
    the goldens that were left out as newer. ``histories`` are those of the recipes that ran.
    """

    name: str
    current: str
    narrowed: bool
    releases: tuple[ReleaseFacts, ...]
    results: tuple[Result, ...]
    causes: tuple[Cause, ...]
    histories: tuple[History, ...]

    def counts(self) -> dict[str, int]:
        """How many results came to each status, those with handled drift apart."""
        return dict(Counter(shown_status(result) for result in self.results))


@dataclass(frozen=True)
class Report:
    """``problems`` are what integrity and the ledgers say; ``exit`` is pytest's exit code."""

    format: int
    tool: str
    time: str
    exit: int
    environment: Mapping[str, str]
    libraries: tuple[LibraryReport, ...]
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def shown_status(result: Result) -> str:
    """The status as reports show it: a pass with handled drift is a case of its own."""
    return "handled drift" if result.status == "passed" and result.drifted else result.status


def dumps(report: Report) -> str:
    return json.dumps(report.to_json(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def read(path: Path) -> Report:
    """The report that was saved as JSON. Raises ReportError."""
    made = "make one with pytest --ckpt-report FILE.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{path} is not there: {made}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise ReportError(f"{path} is not valid JSON ({error}): {made}") from error
    known = data.get("format") if isinstance(data, dict) else None
    if isinstance(known, int) and known > FORMAT:
        raise ReportError(
            f"{path} has the format {known}, and this pytest-ckptcompat reads up to {FORMAT}: "
            f"update it"
        )
    try:
        return _checked(build(Report, data))
    except ShapeError as error:
        raise ReportError(f"{path} is no report of pytest-ckptcompat: {error}; {made}") from error


def _checked(report: Report) -> Report:
    """The report, if its texts and grids are such that it can be shown. Raises ShapeError."""
    for result in (result for library in report.libraries for result in library.results):
        if result.status not in (*STATUSES, SKIPPED, LEFT_OUT):
            raise ShapeError(f"a result of {result.recipe} has the status {result.status!r}")
        for grid in result.detail.grids if result.detail is not None else ():
            forms = {tuple(map(len, rows)) for rows in (grid.expected, grid.got, grid.error)}
            (rows, *more) = forms
            if more or not rows or len(set(rows)) > 1 or rows[0] == 0:
                raise ShapeError(f"a grid of {result.recipe} is not one of rows of equal length")
    return report

"""A report in Markdown, for the summary of a CI step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_ckptcompat.report.matrix import ORDER, groups, matrix
from pytest_ckptcompat.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ckptcompat.report.matrix import Group
    from pytest_ckptcompat.report.report import LibraryReport, Report

#: How much is shown: a step's summary may have a megabyte.
MAX_ROWS, MAX_COLUMNS, MAX_GROUPS, MAX_TEXT = 100, 40, 50, 6000

SIGNS = {
    "failed": "❌",
    "waived": "🟣",
    "acknowledged": "🟡",
    "shifted": "🔸",
    "handled drift": "☑️",
    "skipped": "⏭️",
    "new": "🆕",
    "recorded": "💾",
    "passed": "✅",
    "left out": "▫️",
}


def markdown(report: Report) -> str:
    """The report as GitHub shows it."""
    lines = [f"## {_headline(report)}", ""]
    for library in report.libraries:
        lines += [*_library(library), ""]
    if report.problems:
        lines += ["### Problems", "", *_fenced("\n\n".join(report.problems)), ""]
    known = ", ".join(f"{name} {version}" for name, version in report.environment.items())
    lines += [f"<sub>{plain(f'{report.tool}, {report.time}; {known}')}</sub>", ""]
    return "\n".join(lines)


def _headline(report: Report) -> str:
    results = [result for library in report.libraries for result in library.results]
    failed = sum(1 for result in results if result.status == "failed")
    checked = sum(1 for result in results if result.status not in ("left out", "skipped"))
    checks = f"{checked} check{'' if checked == 1 else 's'}"
    if failed:
        return f"Checkpoints: {failed} of {checks} failed"
    if report.problems:
        count = len(report.problems)
        return f"Checkpoints: {count} problem{'' if count == 1 else 's'}"
    return f"Checkpoints: {checks}, none failed" if checked else "Checkpoints: none checked"


def _library(library: LibraryReport) -> Iterator[str]:
    counts = library.counts()
    said = [f"{SIGNS[status]} {counts[status]} {status}" for status in ORDER if status in counts]
    yield f"**{plain(library.name)} {plain(library.current)}**: {' · '.join(said) or 'nothing'}"
    if library.narrowed:
        yield ""
        yield "Narrowed by `--ckpt-version`: not every golden was checked."
    yield ""
    yield from _matrix(library)
    for cause in library.causes:
        yield f"- {plain(str(cause))}"
    yield ""
    shown = [group for group in groups(library.results) if group.status == "failed"]
    for group in shown[:MAX_GROUPS]:
        yield from _group(group)
    if len(shown) > MAX_GROUPS:
        yield f"… and {len(shown) - MAX_GROUPS} more; the JSON and the HTML report have them all."


def _matrix(library: LibraryReport) -> Iterator[str]:
    made = matrix(library.results, fold=True)
    if made.rows:
        columns = made.columns[-MAX_COLUMNS:]
        heads = " | ".join(plain(column.title) for column in columns)
        yield f"| recipe | {heads} |"
        yield f"| --- |{' :-: |' * len(columns)}"
        for recipe, row in list(made.rows.items())[:MAX_ROWS]:
            cells = " | ".join(SIGNS.get(status, "") for status in row[-MAX_COLUMNS:])
            yield f"| {code(recipe)} | {cells} |"
        yield ""
        if len(made.rows) > MAX_ROWS:
            yield f"… and {len(made.rows) - MAX_ROWS} more recipes."
            yield ""
    if made.rows and made.plain:
        more = f"{made.plain} more recipe{'' if made.plain == 1 else 's'}"
        yield f"{more}: everything passed."
        yield ""


def _group(group: Group) -> Iterator[str]:
    newest = group.newest
    route = f", route {plain(newest.route)}" if newest.route else ""
    versions = f" of {plain(', '.join(group.versions))}" if group.versions else ""
    yield f"<details><summary>{code(newest.recipe)}{versions}{route}</summary>"
    yield ""
    if newest.text:
        yield from _fenced(newest.text[:MAX_TEXT])
        yield ""
    yield "</details>"
    yield ""


def _fenced(text: str) -> list[str]:
    """The text as it is, in a fence that is longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *visible(text).splitlines(), fence]


def plain(text: str) -> str:
    """The text on one line, with nothing in it that Markdown or HTML would take for its own."""
    line = " ".join(visible(text).split())
    return re.sub(r"[^\w ,./()-]", lambda found: f"&#{ord(found[0])};", line).replace("_", "&#95;")


def code(text: str) -> str:
    """A name, which mentions nobody."""
    return f"<code>{plain(text)}</code>"

"""``ckptcompat report``: other forms of a report that was saved as JSON."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ckptcompat.commands import OK, CommandError
from pytest_ckptcompat.report import forms, summary
from pytest_ckptcompat.report.report import ReportError, read
from pytest_ckptcompat.report.result import LEFT_OUT

if TYPE_CHECKING:
    import argparse

    from pytest_ckptcompat.commands import Commands
    from pytest_ckptcompat.report.report import LibraryReport, Report


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "report",
        help="make a page or Markdown of a report in JSON",
        description="Show a report that pytest --ckpt-report FILE.json has saved, or write it in "
        "the form that a file's ending tells: .html, .md or .json.",
        epilog="example: ckptcompat report ckpt.json -o ckpt.html",
    )
    command.add_argument("file", metavar="FILE.json")
    command.add_argument(
        *("-o", "--output"),
        action="append",
        default=[],
        metavar="FILE",
        help="write it to this file (may be repeated); else it is shown here",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    outputs = [Path(name) for name in options.output]
    try:
        for output in outputs:
            forms.check(output)
        made = read(Path(options.file))
        for output in outputs:
            forms.write(made, output)
            print(f"{output} written")
    except ReportError as error:
        raise CommandError(str(error)) from error
    if not outputs:
        _show(made)
    return OK


def _show(report: Report) -> None:
    """What the terminal showed at the end of the run."""
    width = shutil.get_terminal_size().columns
    for library in report.libraries:
        checked = [result for result in library.results if result.status != LEFT_OUT]
        for line in summary.lines(checked, {library.name: _facts(library)}, width):
            print("".join(text for text, _ in line))
    for problem in report.problems:
        print(f"ERROR: {problem}")


def _facts(library: LibraryReport) -> dict[str, object]:
    newer = [(r.version, r.recipe) for r in library.results if r.status == LEFT_OUT]
    return {"current": library.current, "narrowed": library.narrowed, "newer": newer}

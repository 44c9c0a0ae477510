"""A report's forms, by the ending of the file that it is written to."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_ckptcompat.report.report import ReportError, dumps

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ckptcompat.report.report import Report

ENDINGS = (".html", ".json", ".md")


def check(path: Path) -> None:
    """Raises ReportError for a file that no report can be written to."""
    if path.suffix not in ENDINGS:
        raise ReportError(
            f"{path}: a report's form is told by the ending of its file, one of "
            f"{', '.join(ENDINGS)}"
        )
    if path.is_dir():
        raise ReportError(f"{path} is a folder: name a file in it, such as {path / 'report.html'}")

    above = next((folder for folder in path.absolute().parents if folder.exists()), None)
    if above is not None and not above.is_dir():
        raise ReportError(f"{path} cannot be written, since {above} is no folder: name another")
    if path.suffix == ".html" and find_spec("jinja2") is None:
        raise ReportError(
            f"{path}: the page needs jinja2, which is not installed here: pip install jinja2, or "
            f"write a .json and make the page elsewhere with ckptcompat report"
        )


def text(report: Report, ending: str) -> str:
    """The report in the form of that ending."""
    if ending == ".json":
        return dumps(report)
    if ending == ".md":
        from pytest_ckptcompat.report.markdown import markdown  # noqa: PLC0415  where asked for

        return markdown(report)
    from pytest_ckptcompat.report.html import page  # noqa: PLC0415  jinja2 comes with it

    return page(report)


def write(report: Report, path: Path) -> None:
    """Write the report. Raises ReportError."""
    check(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(report, path.suffix), encoding="utf-8", newline="\n")
    except OSError as error:
        raise ReportError(f"the report {path} cannot be written: {error}") from error


def append(report: Report, path: Path) -> None:
    """Append the report in Markdown to a file. Raises ReportError."""
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text(report, ".md"))
    except OSError as error:
        raise ReportError(f"the report cannot be appended to {path}: {error}") from error

"""Annotations of GitHub Actions: each recipe that fails, at its line."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ckptcompat.report.causes import causes, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ckptcompat.report.result import Result

#: How many are printed; GitHub shows ten of a step.
MAX = 50


def commands(
    results: Sequence[Result], problems: Sequence[str], root: Path, workspace: str | None
) -> Iterator[str]:
    """The commands that make the annotations.

    ``root`` is what the recipes' files are relative to, ``workspace`` the checkout, which files
    of annotations are relative to.
    """
    failed: dict[tuple[str, int, str, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.status == "failed":
            failed[result.file, result.line, result.library, result.recipe].append(result)
    for (file, line, library, recipe), mine in list(failed.items())[:MAX]:
        where = _relative(file, root, workspace)
        title = f"{library} {mine[-1].current}: {recipe}".replace(" : ", ": ")
        place = f"file={_property(where)},line={line},title={_property(title)}"
        yield f"::error {place}::{_data(_message(mine))}"
    for problem in problems[:MAX]:
        yield f"::error title={_property('Golden checkpoints')}::{_data(problem)}"


def _message(results: Sequence[Result]) -> str:
    versions = in_order(result.version for result in results if result.version)
    of = f"goldens of {', '.join(versions)} fail" if versions else "the recipe fails"
    said = "; ".join(cause.title for cause in causes(results))
    newest = max(results, key=lambda r: versions.index(r.version) if r.version else -1)
    consequence = newest.detail.consequence if newest.detail is not None else ""
    return "\n".join(
        part for part in (f"{of}{': ' if said else ''}{said}", consequence or newest.text) if part
    )


def _relative(file: str, root: Path, workspace: str | None) -> str:
    """The recipe's file as the checkout has it, where that is known to hold it."""
    if workspace:
        top, found = Path(workspace).resolve(), (root / file).resolve()
        if found.is_relative_to(top):
            return found.relative_to(top).as_posix()
    return file


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

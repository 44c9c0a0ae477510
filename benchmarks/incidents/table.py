"""The benchmark's figures as a person reads them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from benchmarks.incidents.case import BREAK
from benchmarks.incidents.judging import CAUGHT, FALSE_ALARM, NOT_RUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.incidents.judging import Judged

_HEAD = ("case", "expected", "outcome", "caught by", "named the cause")


def line(judged: Judged) -> str:
    """One case, as it is done."""
    versions = f"{judged.case.library} {judged.case.old.version} -> {judged.case.new.version}"
    return f"{judged.case.name}: {judged.outcome} ({versions}, {judged.seconds:.0f} s)"


def lines(done: Sequence[Judged]) -> Iterator[str]:
    """The table, what is to be known of those that are not right, and the totals."""
    rows = [_HEAD, *(_row(judged) for judged in done)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    for judged in done:
        if not judged.is_right:
            yield from _details(judged)
    yield ""
    yield totals(done)


def totals(done: Sequence[Judged]) -> str:
    breaks = [judged for judged in done if judged.case.verdict == BREAK]
    caught = [judged for judged in breaks if judged.outcome == CAUGHT]
    named = sum(bool(judged.named) for judged in caught)
    alarms = sum(judged.outcome == FALSE_ALARM for judged in done)
    unknown = sum(judged.outcome == NOT_RUN for judged in done)
    told = "" if named == len(caught) else f" ({named} with the cause named)"
    apart = f"; {unknown} could not run" if unknown else ""
    return (
        f"{len(caught)} of {len(breaks)} breaks caught{told}, "
        f"{alarms} of {len(done) - len(breaks)} false alarms{apart}"
    )


def _row(judged: Judged) -> tuple[str, ...]:
    by = "; ".join(f"{route}: {', '.join(stages)}" for route, stages in judged.caught_by.items())
    named = {None: "", True: "yes", False: "no"}[judged.named]
    return (judged.case.name, judged.case.verdict, judged.outcome, by, named)


def _details(judged: Judged) -> Iterator[str]:
    yield ""
    yield f"{judged.case.name}: {judged.outcome}. {judged.case.title}"
    if judged.reason:
        yield from textwrap.wrap(judged.reason, 98, initial_indent="  ", subsequent_indent="  ")
    if judged.named is False:
        yield f"  no failure's text has {' and '.join(map(repr, judged.case.cause))}"
    for item in judged.items:
        if item.outcome == "failed":
            yield f"  {item.test}"
            yield from (f"    {one}".rstrip() for one in item.text.splitlines())

"""The lines at the end of a run."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.policy import Fate
from pytest_ckptcompat.report.causes import causes, in_order
from pytest_ckptcompat.report.result import SKIPPED, STATUSES, Result, left_out
from pytest_ckptcompat.report.table import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_ckptcompat.report.table import Piece

#: How many causes and shifted recipes have a line of their own.
NAMED = 6


def lines(
    results: Sequence[Result], facts: Mapping[str, Mapping[str, Any]], width: int
) -> Iterator[list[Piece]]:
    """One line for each library, the matrix, then what deserves a word.

    ``facts`` are, by library: ``current``, ``newer`` (goldens left out) and ``narrowed``.
    """
    by_library: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_library[result.library].append(result)
    for library in sorted({*by_library, *facts}):
        mine, known = by_library[library], facts.get(library, {})
        yield [(_one_line(library, mine, known), "")]
        yield from table([*mine, *left_out(library, known)], width)
        for line in (*_causes(mine), *_shifted(mine), *_notes(mine)):
            yield [(line, "")]


def wrapped(lines: Iterable[list[Piece]], width: int) -> Iterator[list[Piece]]:
    """The same, with sentences broken between words; the matrix fits as it is."""
    for line in lines:
        if len(line) > 1 or len(line[0][0]) <= width:
            yield line
            continue
        text, style = line[0]
        indent = "    " if text.startswith(" ") else "  "
        for part in textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False):
            yield [(part, style)]


def _notes(results: Sequence[Result]) -> Iterator[str]:
    """One line for each note, however many goldens have it."""
    said = Counter((result.recipe, note) for result in results for note in result.notes)
    for (recipe, note), count in said.items():
        yield f"  {recipe}: {note}{f' ({count} goldens)' if count > 1 else ''}"


def _one_line(library: str, results: Sequence[Result], facts: Mapping[str, Any]) -> str:
    counts = Counter(result.status for result in results)
    parts = [f"{counts[status]} {status}" for status in (*STATUSES, SKIPPED) if counts[status]]
    if facts.get("newer"):
        parts.append(f"{len(facts['newer'])} newer goldens left out")
    if facts.get("narrowed"):
        parts.append("narrowed by --ckpt-version")
    handled = sum(1 for r in results if r.drifted)
    if handled:
        parts.append(f"{handled} with drift")
    used = [result.used for result in results if result.used is not None]
    if used:
        parts.append(f"largest share of an error budget {max(used):.0%}")
    current = facts.get("current") or next((r.current for r in results), "")
    return f"{library} {current}: {', '.join(parts) or 'nothing checked'}"


def _causes(results: Sequence[Result]) -> Iterator[str]:
    """One line for each cause of failure that several goldens show."""
    found = [cause for cause in causes(results) if cause.goldens > 1]
    for cause in found[:NAMED]:
        yield f"  {cause}"
    if len(found) > NAMED:
        yield f"  {len(found) - NAMED} more causes that several goldens show"


def _span(versions: Iterable[str]) -> str:
    found = in_order(versions)
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _shifted(results: Sequence[Result]) -> Iterator[str]:
    """One line for each recipe whose outputs moved by a hair, however many goldens show it."""
    shifted: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if any(finding.fate is Fate.SHIFTED for finding in result.findings):
            shifted[result.recipe].append(result)
    for recipe, mine in list(shifted.items())[:NAMED]:
        said = next(f.text for f in mine[-1].findings if f.fate is Fate.SHIFTED)
        span = _span(result.version for result in mine)
        yield f"  shifted: {recipe}, {len(mine)} of {span}: {said}"
    if len(shifted) > NAMED:
        yield f"  shifted: {len(shifted) - NAMED} more recipes"

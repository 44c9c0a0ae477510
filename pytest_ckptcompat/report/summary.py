"""The lines at the end of a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_ckptcompat.policy import Fate
from pytest_ckptcompat.report.result import STATUSES, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: How many shifted recipes are named.
NAMED = 6


def lines(results: Sequence[Result], facts: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """One line for each library, then what deserves a word.

    ``facts`` are, by library: ``current``, ``left_out`` (newer goldens) and ``narrowed``.
    """
    by_library: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_library[result.library].append(result)
    for library in sorted({*by_library, *facts}):
        yield _one_line(library, by_library[library], facts.get(library, {}))
        yield from _shifted(by_library[library])
        for result in by_library[library]:
            for note in result.notes:
                yield f"  {result.recipe}: {note}"


def _one_line(library: str, results: Sequence[Result], facts: Mapping[str, object]) -> str:
    counts = Counter(result.status for result in results)
    parts = [f"{counts[status]} {status}" for status in STATUSES if counts[status]]
    if facts.get("left_out"):
        parts.append(f"{facts['left_out']} newer goldens left out")
    if facts.get("narrowed"):
        parts.append("narrowed by --ckpt-version")
    handled = sum(1 for r in results if any(f.stage == "fields" for f in r.findings))
    if handled:
        parts.append(f"{handled} with drift")
    used = [result.used for result in results if result.used is not None]
    if used:
        parts.append(f"largest share of an error budget {max(used):.0%}")
    current = facts.get("current") or next((r.current for r in results), "")
    return f"{library} {current}: {', '.join(parts) or 'nothing checked'}"


def _shifted(results: Sequence[Result]) -> Iterator[str]:
    """One line for each recipe whose outputs moved by a hair, however many goldens show it."""
    shifted: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if any(finding.fate is Fate.SHIFTED for finding in result.findings):
            shifted[result.recipe].append(result)
    for recipe, mine in list(shifted.items())[:NAMED]:
        said = next(f.text for f in mine[-1].findings if f.fate is Fate.SHIFTED)
        found = sorted({Version(result.version) for result in mine})
        span = str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
        yield f"  shifted: {recipe}, {len(mine)} of {span}: {said}"
    if len(shifted) > NAMED:
        yield f"  shifted: {len(shifted) - NAMED} more recipes"

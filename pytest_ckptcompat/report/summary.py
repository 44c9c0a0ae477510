"""The lines at the end of a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from pytest_ckptcompat.policy import Fate
from pytest_ckptcompat.report.result import STATUSES, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: How many shifted goldens are named.
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
    shifted = [r for r in results if r.status == "shifted"]
    for result in shifted[:NAMED]:
        said = next(f.text for f in result.findings if f.fate is Fate.SHIFTED)
        yield f"  shifted: {result.recipe} {result.version}: {said}"
    if len(shifted) > NAMED:
        yield f"  shifted: {len(shifted) - NAMED} more"

"""The lines at the end of a run."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_ckptcompat.policy import Fate, Verdict
from pytest_ckptcompat.report.result import STATUSES, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: How many causes and shifted recipes have a line of their own.
NAMED = 6
#: How many fields and recipes a line names.
NAMED_IN_LINE = 3


def lines(results: Sequence[Result], facts: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """One line for each library, then what deserves a word.

    ``facts`` are, by library: ``current``, ``left_out`` (newer goldens) and ``narrowed``.
    """
    by_library: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_library[result.library].append(result)
    for library in sorted({*by_library, *facts}):
        yield _one_line(library, by_library[library], facts.get(library, {}))
        yield from _causes(by_library[library])
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


def _causes(results: Sequence[Result]) -> Iterator[str]:
    """One line for each cause of failure that several goldens show.

    A cause is a kind of drift and the field's name, wherever the field lies, or what a stage
    says where nothing drifted. Causes that the same goldens show share a line.
    """
    goldens: dict[tuple[str, str], dict[tuple[str, str], None]] = defaultdict(dict)
    for result in results:
        for cause in _failing(result):
            goldens[cause][result.recipe, result.version] = None
    together: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = defaultdict(list)
    for (name, kind), mine in goldens.items():
        if len(mine) > 1:
            together[kind, tuple(mine)].append(name)
    found = sorted(together.items(), key=lambda item: -len(item[0][1]))
    for (kind, which), names in found[:NAMED]:
        recipes = list(dict.fromkeys(recipe for recipe, _ in which))
        of = f"{len(recipes)} recipe{'s' if len(recipes) > 1 else ''}"
        span = _span(version for _, version in which)
        yield f"  {_some(names)} {kind}: {len(which)} goldens of {of}, {span} ({_some(recipes)})"
    if len(found) > NAMED:
        yield f"  {len(found) - NAMED} more causes that several goldens show"


def _failing(result: Result) -> Iterator[tuple[str, str]]:
    """The (name, kind) of each cause for which a golden failed."""
    if result.status != "failed" or not result.version:
        return
    failing = [f for f in result.findings if f.verdict in (Verdict.FAIL, Verdict.ACK)]
    fields = [f for f in failing if f.stage == "fields"]
    for finding in fields:
        yield _last(finding.path), str(finding.kind)
    for finding in [] if fields else failing[:1]:
        yield finding.stage, str(finding.kind)


def _last(path: str) -> str:
    """The field's name in a formatted path, with what numbers follow it."""
    parts = path.split("/")
    named = [at for at, part in enumerate(parts) if not part.isdecimal()]
    return "/".join(parts[named[-1] :]) if named else path


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED_IN_LINE
    listed = ", ".join(names[:NAMED_IN_LINE])
    return f"{listed} and {more} more" if more > 0 else listed


def _span(versions: Iterable[str]) -> str:
    found = sorted({Version(version) for version in versions})
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


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

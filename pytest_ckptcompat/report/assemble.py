"""Puts a report together, in whichever process has seen every result."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import platform
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.manifest import parsed
from pytest_ckptcompat.report.causes import causes, in_order
from pytest_ckptcompat.report.history import histories
from pytest_ckptcompat.report.report import FORMAT, LibraryReport, ReleaseFacts, Report
from pytest_ckptcompat.report.result import Result, left_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.version import Version

    from pytest_ckptcompat.store import Release

#: How many outputs a report shows as heat maps at most, so that it stays a file to open.
MAX_GRIDS = 200

#: What an environment is told by, beside Python and the platform.
_PACKAGES = ("pytest", "pytest-ckptcompat", "pytest-xdist", "numpy", "h5py")


def report(
    results: Iterable[Result],
    facts: Mapping[str, Mapping[str, Any]],
    releases: Mapping[str, Sequence[Release]],
    problems: Sequence[str],
    code: int,
) -> Report:
    """The report of a run.

    ``facts`` are, by library: ``current``, ``narrowed`` and ``newer``, the (version, recipe) of
    each golden that was left out. ``releases`` are the store's. The order of the results does
    not count, which is not the same in a distributed run.
    """
    by_library: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_library[result.library].append(result)
    names = sorted({*by_library, *facts})
    libraries = tuple(
        _library(name, by_library[name], facts.get(name, {}), releases.get(name, ()))
        for name in names
    )
    return Report(
        format=FORMAT,
        tool=f"pytest-ckptcompat {_version('pytest-ckptcompat') or '?'}",
        time=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        exit=code,
        environment=_environment(names),
        libraries=_bounded(libraries),
        problems=tuple(problems),
    )


def _library(
    name: str, results: Sequence[Result], facts: Mapping[str, Any], releases: Sequence[Release]
) -> LibraryReport:
    current = str(facts.get("current") or next((r.current for r in results if r.current), ""))
    order = {version: at for at, version in enumerate(in_order(r.version for r in results))}
    ordered = sorted(results, key=lambda r: (r.recipe, order[r.version], r.route))
    recipes = {result.recipe for result in results}
    now = parsed(current)
    return LibraryReport(
        name=name,
        current=current,
        narrowed=bool(facts.get("narrowed")),
        releases=tuple(
            ReleaseFacts(r.version, _is_newer(r, now), dict(r.provenance), dict(r.refused))
            for r in releases
        ),
        results=(*ordered, *left_out(name, facts)),
        causes=causes(ordered),
        histories=tuple(h for recipe, h in histories(releases).items() if recipe in recipes),
    )


def _is_newer(release: Release, current: Version | None) -> bool:
    version = parsed(release.version)
    return version is not None and current is not None and version > current


def _bounded(libraries: tuple[LibraryReport, ...]) -> tuple[LibraryReport, ...]:
    """The same with grids for so many outputs only: each recipe's newest failures first."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    ranked = []
    for library in libraries:
        for at, result in reversed(list(enumerate(library.results))):
            if result.detail is not None and result.detail.grids:
                rank = seen[library.name, result.recipe]
                seen[library.name, result.recipe] += 1
                ranked.append((result.status != "failed", rank, library.name, at, result))
    kept: set[tuple[str, int]] = set()
    count = 0
    for _, _, name, at, result in sorted(ranked, key=lambda one: one[:4]):
        assert result.detail is not None
        count += len(result.detail.grids)
        if count <= MAX_GRIDS:
            kept.add((name, at))
    return tuple(
        replace(
            library,
            results=tuple(
                result if (library.name, at) in kept else _without_grids(result)
                for at, result in enumerate(library.results)
            ),
        )
        for library in libraries
    )


def _without_grids(result: Result) -> Result:
    if result.detail is None or not result.detail.grids:
        return result
    return replace(result, detail=replace(result.detail, grids=()))


def _environment(libraries: Iterable[str]) -> dict[str, str]:
    known = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
    }
    for name in (*_PACKAGES, *libraries):
        version = _version(name)
        if version is not None:
            known[name] = version
    return known


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None

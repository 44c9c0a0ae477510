"""What no single golden can tell: whether the store, the recipes and the ledger fit together."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_ckptcompat import ledger, versions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pytest_ckptcompat.report.result import Result
    from pytest_ckptcompat.session import Shelf


def problems(shelf: Shelf, *, everything: bool = False) -> list[str]:
    """What is wrong with a library's goldens as a whole, in sentences.

    Orphans, goldens without a recipe, are told for modules that were collected; with
    ``everything``, where all recipes are known, for all.
    """
    if not shelf.releases and not shelf.store.problems():
        return [
            (
                f"{shelf.store.folder} holds no golden of {shelf.library.name} yet: record the "
                f"installed release with pytest --ckpt-record"
            )
        ]
    found = list(shelf.store.problems())
    try:
        found += _ledger_problems(shelf)
        found += _remaining(shelf)
    except (versions.VersionError, ledger.LedgerError) as error:
        found.append(str(error))
    return [*found, *_orphans(shelf, everything=everything)]


def _remaining(shelf: Shelf) -> Iterator[str]:
    if shelf.releases and not any(shelf.selected(release) for release in shelf.releases):
        known = ", ".join(release.version for release in shelf.releases)
        if shelf.only is not None:
            yield f"--ckpt-version {shelf.only} leaves no golden to check; there are {known}"
        else:
            yield (
                f"every golden of {shelf.library.name} is newer than the current version "
                f"{shelf.current}, so nothing was checked; there are {known}. Is this checkout or "
                f"installation an old one?"
            )


def _orphans(shelf: Shelf, *, everything: bool) -> Iterator[str]:
    recipes = shelf.recipes()
    retired = _retired(shelf)
    for release in shelf.releases:
        for name, entry in release.entries.items():
            known = everything or entry.module in shelf.modules
            if (
                name in recipes
                or not known
                or any(entry_.selects(name, Version(release.version), "") for entry_ in retired)
            ):
                continue
            yield (
                f"{shelf.store.path(release, entry)} has no recipe: {name} was recorded from "
                f"{entry.module or 'an imported file'}. Bring the recipe back, or, if it is gone "
                f'on purpose, write [[retire]] recipe = "{name}", reason = "..." into '
                f"{shelf.store.folder / 'ledger.toml'}"
            )


def _retired(shelf: Shelf) -> list[ledger.Entry]:
    try:
        return [entry for entry in shelf.ledger if entry.section == "retire"]
    except ledger.LedgerError:
        return []


def _ledger_problems(shelf: Shelf) -> Iterator[str]:
    file = shelf.store.folder / "ledger.toml"
    goldens = _goldens(shelf)
    for entry in shelf.ledger:
        if entry.expired(shelf.current, dt.datetime.now(tz=dt.UTC).date()):
            yield f"{entry} of {file} has expired (until {entry.until}): mend it, or give it longer"
        if not any(entry.selects(*golden) for golden in goldens):
            yield f"{entry} of {file} matches no golden: take it out, or mend its pattern"


def _goldens(shelf: Shelf) -> list[tuple[str, Version, str]]:
    return [
        (name, Version(release.version), route)
        for release in shelf.releases
        for name, entry in release.entries.items()
        for route in entry.routes
    ]


def unused(shelf: Shelf, current: Version, results: Collection[Result]) -> list[str]:
    """Entries that nothing needed, though all that they select has run.

    For the end of a run, by whoever has seen every result. ``current`` is the library's version
    as the items saw it.
    """
    used = {entry for result in results for entry in result.entries}
    ran = {(result.recipe, result.version, result.route) for result in results}
    try:
        entries: Sequence[ledger.Entry] = shelf.ledger
    except ledger.LedgerError:
        return []
    idle = []
    for entry in entries:
        selected = [
            (name, str(version), route)
            for name, version, route in _goldens(shelf)
            if version <= current and entry.selects(name, version, route)
        ]
        complete = selected and all(golden in ran for golden in selected)
        if complete and entry.section != "retire" and entry.id not in used:
            idle.append(
                f"{entry} of {shelf.store.folder / 'ledger.toml'} was needed by nothing in this "
                f"run: take it out"
            )
    return idle

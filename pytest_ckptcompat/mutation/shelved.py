"""Mutations of the goldens in a store, and what their library has declared of survivors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from pytest_ckptcompat.mutation import declared
from pytest_ckptcompat.mutation.report import Summary
from pytest_ckptcompat.mutation.result import Tried
from pytest_ckptcompat.mutation.trial import Case, tried
from pytest_ckptcompat.run import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ckptcompat.checks import Outcome
    from pytest_ckptcompat.recipe import Recipe
    from pytest_ckptcompat.session import Choice, Shelf


def try_all(
    shelf: Shelf,
    recipe: Recipe,
    choice: Choice,
    build: Callable[[], Any],
    limit: int,
    within: Callable[[Callable[[], Outcome]], Outcome | None],
) -> Tried:
    """Every mutation of one golden by one route; ``within`` is that of ``Case``.

    Raises as ``run.opened`` does, LedgerError.
    """
    there = opened(shelf, recipe, choice)
    entry = shelf.find(recipe.name, choice.version)[1]
    about = Tried(
        *(shelf.library.name, recipe.name, choice.version, choice.route),
        *(str(shelf.current), entry.sha256),
    )
    case = Case(
        there.golden,
        recipe,
        there.adapter,
        choice.route,
        build,
        there.artifact,
        shelf.entries(recipe.name, choice.version, choice.route),
        limit,
        within,
    )
    with warnings.catch_warnings():
        # A warning is no check; where a project makes it an error, that is not a stage's doing.
        warnings.simplefilter("ignore")
        return tried(case, about)


def declarations(shelf: Shelf) -> tuple[declared.Declaration, ...]:
    """Raises LedgerError."""
    return declared.read(shelf.store.folder / declared.FILE)


def unexplained(shelf: Shelf, one: Tried) -> str | None:
    """The survivors of a golden that nothing explains, as a test fails with them."""
    groups = Summary(one.library, [one], declarations(shelf)).groups(None)
    if not groups:
        return None
    count = f"{len(groups)} mutation{'s' if len(groups) > 1 else ''}"
    listed = "\n".join(f"- {group.sentence()}" for group in groups)
    return (
        f"{one.library} {one.version}, {one.recipe}, route {one.route}: {count} that no check "
        f"notices\n{listed}\nMend the recipe (sizes that differ, an input that shows it), or "
        f"explain it in {shelf.store.folder / declared.FILE}"
    )


def summary(shelf: Shelf, all_: Sequence[Tried]) -> Summary:
    """What was tried of a library, with what it has declared. Raises LedgerError."""
    entries = declarations(shelf)
    goldens = [
        (name, release.version, route)
        for release in shelf.releases
        if Version(release.version) <= Version(all_[0].current)
        for name, entry in release.entries.items()
        for route in entry.routes
    ]
    return Summary(shelf.library.name, all_, entries, declared.unused(entries, goldens, all_))

"""Recording a release: goldens are made one by one and committed together."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.commit import PendingGolden, commit
from pytest_ckptcompat.fields import field_lines
from pytest_ckptcompat.golden import Golden, write
from pytest_ckptcompat.recording import provenance
from pytest_ckptcompat.recording.make import Made, RecordError, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.recipe import Recipe
    from pytest_ckptcompat.session import Shelf
    from pytest_ckptcompat.store import Store


@dataclass
class Recording:
    """What one run records of one library at its current version."""

    shelf: Shelf
    allow_unreleased: bool = False
    made: dict[str, tuple[Recipe, Made]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def refusal(self) -> str | None:
        """Why nothing must be recorded from this installation, or None."""
        reason = provenance.refusal(self.shelf.library, self.shelf.current)
        if reason is None or self.allow_unreleased:
            return None
        return f"{reason}; --ckpt-allow-unreleased records all the same, and the manifest says so"

    def record(self, recipe: Recipe, adapter: Adapter, build: Callable[[], Any]) -> Made:
        """Make a golden and keep it for ``commit``. Raises RecordError."""
        try:
            made = make(recipe, adapter, build)
        except RecordError as error:
            self.refused[recipe.name] = str(error)
            raise
        self.made[recipe.name] = (recipe, made)
        for route, reason in made.refused.items():
            self.refused[f"{recipe.name} ({route})"] = reason
        return made

    def commit(self) -> int:
        """Write what was made; gives the number of goldens. Raises StoreError."""
        if not self.made:
            return 0
        about = provenance.facts(self.shelf.library, self.shelf.current)
        if self.allow_unreleased:
            about["unreleased"] = provenance.refusal(self.shelf.library, self.shelf.current)
        goldens = [
            Finished(made.golden, made.routes, recipe.module) for recipe, made in self.made.values()
        ]
        store_goldens(self.shelf.store, str(self.shelf.current), goldens, about, self.refused)
        return len(goldens)


@dataclass(frozen=True)
class Finished:
    """A golden that is ready to be stored. ``module`` is the recipe's test file, if known."""

    golden: Golden
    routes: tuple[str, ...]
    module: str | None


def store_goldens(
    store: Store,
    version: str,
    finished: Iterable[Finished],
    about: Mapping[str, Any],
    refused: Mapping[str, str],
) -> None:
    """Add goldens to a release, all or none. Raises GoldenError or StoreError."""
    pending = {
        one.golden.recipe: PendingGolden(
            partial(write, golden=one.golden),
            field_lines(one.golden.state),
            one.routes,
            one.module,
        )
        for one in finished
    }
    commit(store, version, pending, about, refused)

"""Recording a release: goldens are made one by one and committed together."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat.commit import Artifact, PendingGolden, commit
from pytest_ckptcompat.golden import Golden, GoldenError, read, write
from pytest_ckptcompat.layers import words
from pytest_ckptcompat.recipe import RecipeError
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
    _folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ckptcompat-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def refusal(self) -> str | None:
        """Why nothing must be recorded from this installation, or None."""
        reason = provenance.refusal(self.shelf.library, self.shelf.current)
        if reason is None or self.allow_unreleased:
            return None
        return f"{reason}; --ckpt-allow-unreleased records all the same, and the manifest says so"

    def record(self, recipe: Recipe, adapter: Adapter, build: Callable[[], Any]) -> Made:
        """Make a golden and keep it for ``commit``. Raises RecordError."""
        try:
            made = make(recipe, adapter, build, self._folder)
            check_storable(made.golden)
        except (RecordError, RecipeError) as error:
            self.refused[recipe.name] = str(error)
            raise
        except Exception as error:
            self.refused[recipe.name] = words(error)
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
            Finished(made.golden, made.routes, recipe.module, made.artifacts)
            for recipe, made in self.made.values()
        ]
        store_goldens(self.shelf.store, str(self.shelf.current), goldens, about, self.refused)
        return len(goldens)


def check_storable(golden: Golden) -> None:
    """Raises RecordError for a golden that could not be written, while its recipe can be named."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "golden.h5")
        try:
            write(path, golden)
            read(path, sha256=None)
        except GoldenError as error:
            said = str(error).replace(f"{path}: ", "")
            raise RecordError(f"{golden.recipe}: {said}") from error


@dataclass(frozen=True)
class Finished:
    """A golden that is ready to be stored. ``module`` is the recipe's test file, if known."""

    golden: Golden
    routes: tuple[str, ...]
    module: str | None
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)


def store_goldens(
    store: Store,
    version: str,
    finished: Iterable[Finished],
    about: Mapping[str, Any],
    refused: Mapping[str, str],
) -> None:
    """Add goldens to a release, all or none. Raises GoldenError or StoreError."""
    pending = {
        one.golden.recipe: PendingGolden.of(
            one.golden, routes=one.routes, module=one.module, artifacts=one.artifacts
        )
        for one in finished
    }
    commit(store, version, pending, about, refused)

"""An old checkpoint is loaded into today's layer, and saved as that is saved today."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import golden as goldens
from pytest_ckptcompat.adapters import resolve
from pytest_ckptcompat.checks import check
from pytest_ckptcompat.digests import mismatch
from pytest_ckptcompat.golden import Golden
from pytest_ckptcompat.layers import restored, started, words
from pytest_ckptcompat.policy import Verdict
from pytest_ckptcompat.recording import importing, inputs
from pytest_ckptcompat.report.result import Result
from pytest_ckptcompat.state import Tree
from pytest_ckptcompat.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.recipe import Recipe
    from pytest_ckptcompat.store import Entry, Release

#: The ending of a file of the state tree, laid out as a golden is.
TREE_SUFFIX = ".h5"


@dataclass
class Converter:
    """One conversion, which a run of the recipe carries out.

    ``golden`` is what is loaded through ``route``, by its native file where the route has one;
    ``verified`` says whether its outputs are known, so that the result can be held against them.
    ``problem`` says why nothing was written, ``said`` what was.
    """

    library: str
    recipe: str
    golden: Golden
    route: str | None
    output: Path
    save_route: str | None = None
    artifact: Path | None = None
    verified: bool = True
    met: bool = False
    problem: str | None = None
    said: str = ""

    def wants(self, library: str, recipe: str) -> bool:
        return (library, recipe) == (self.library, self.recipe)

    def adopt(self, recipe: Recipe, build: Callable[[], Any]) -> tuple[Result, str | None]:
        self.met = True
        adapter = resolve(recipe.library, recipe.loaders)
        try:
            self._convert(recipe, adapter, build)
        except Exception as error:  # noqa: BLE001  the library's, told as it is
            self.problem = words(error)
        return Result(self.library, self.recipe, "", "recorded"), None

    def _convert(self, recipe: Recipe, adapter: Adapter, build: Callable[[], Any]) -> None:
        route = self.route or (recipe.routes or adapter.routes)[0]
        save_route = self._save_route(adapter)
        if self.problem is not None:
            return
        if self.verified:
            outcome = check(self.golden, recipe, adapter, route, build, self.artifact)
            wrong = [
                f"{f.stage}: {f.path}: {f.text}" if f.path else f"{f.stage}: {f.text}"
                for f in outcome.findings
                if f.verdict is Verdict.FAIL
            ]
            if wrong:
                self.problem = f"today's layer does not take it as it was ({'; '.join(wrong[:3])})"
                return
        given = self.golden.inputs if self.verified else inputs.draw(recipe)
        fresh = started(adapter, build(), given, recipe)
        layer = restored(adapter, route, fresh, self.golden.state, self.artifact)
        if save_route is not None:
            adapter.save(layer, save_route, self.output)
            self.said = f"{self.recipe} as the route {save_route} saves it"
            return
        state = Tree.of(adapter.state(layer))
        nothing = Tree.of({"args": (), "kwargs": {}})
        facts = {"converted": True}
        goldens.write(self.output, Golden(self.recipe, state, nothing, Tree.of([]), {}, facts))
        self.said = f"the state of {self.recipe}, {len(state.arrays())} arrays"

    def _save_route(self, adapter: Adapter) -> str | None:
        """The route whose native file is asked for; None for the state tree."""
        endings = {route: adapter.suffix(route) for route in adapter.routes}
        native = {route: ending for route, ending in endings.items() if ending is not None}
        if self.save_route is not None:
            if self.save_route not in native:
                known = ", ".join(native) or "none"
                self.problem = (
                    f"the route {self.save_route!r} has no native file; those that have: {known}"
                )
            return self.save_route
        for route, ending in native.items():
            if self.output.name.endswith(ending):
                return route
        if self.output.suffix != TREE_SUFFIX:
            listed = ", ".join([TREE_SUFFIX, *native.values()])
            self.problem = f"{self.output.name} has an ending of no form known here: {listed}"
        return None


def of_golden(
    release: Release, entry: Entry, route: str, output: Path, save_route: str | None
) -> Converter:
    """The conversion of a golden. Raises StoreError, GoldenError."""
    try:
        kept = goldens.read(release.folder / entry.file, sha256=entry.sha256)
    except goldens.GoldenError as error:
        raise StoreError(str(error)) from error
    artifact = None
    if route in entry.artifacts:
        stored = entry.artifacts[route]
        artifact = release.folder / stored.file
        wrong = mismatch(artifact, stored.sha256, stored.size)
        if wrong is not None:
            raise StoreError(wrong)
    return Converter(
        release.library, entry.recipe, kept, route, output, save_route, artifact=artifact
    )


def of_file(
    file: Path, library: str, recipe: str, route: str | None, output: Path, save_route: str | None
) -> Converter:
    """The conversion of a checkpoint file. Raises importing.ImportFailedError."""
    source = importing.read_source(file, None, inputs="", outputs="")
    if source.state is None:
        raise importing.ImportFailedError(f"{file} is of no format that is known here")
    nothing = Tree.of({"args": (), "kwargs": {}})
    kept = Golden(recipe, Tree.of(source.state), nothing, Tree.of([]))
    return Converter(library, recipe, kept, route, output, save_route, verified=False)

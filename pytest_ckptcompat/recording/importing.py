"""A checkpoint from the wild becomes a golden."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_ckptcompat.adapters import resolve
from pytest_ckptcompat.checks import check
from pytest_ckptcompat.commit import Artifact
from pytest_ckptcompat.formats import FormatError, files
from pytest_ckptcompat.golden import Golden
from pytest_ckptcompat.layers import restored, started, words
from pytest_ckptcompat.recording import inputs, provenance
from pytest_ckptcompat.recording.maker import STATE, RecordError, measure, run_layer
from pytest_ckptcompat.recording.record import Finished, store_goldens
from pytest_ckptcompat.report.result import Result, status
from pytest_ckptcompat.state import StateError, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.recipe import Recipe
    from pytest_ckptcompat.store import Store


class ImportFailedError(Exception):
    """A file that cannot become a golden; the sentence says which and why."""


@dataclass(frozen=True)
class Source:
    """A checkpoint file, read. ``state`` is None where only a library's own loader reads it;
    ``inputs`` and ``outputs`` are where no file gave them."""

    file: Path
    state: Any
    inputs: Any
    outputs: Any
    facts: Mapping[str, Any]


def read_source(
    file: Path,
    io: Path | None,
    *,
    inputs: str,
    outputs: str,
    key: str | None = None,
    separator: str | None = None,
) -> Source:
    """Read a checkpoint, and the inputs and outputs beside it.

    ``inputs`` and ``outputs`` name the variables in the ``io`` file; ``key`` and ``separator``
    are as for ``formats.files.read_state``. Raises ImportFailedError.
    """
    try:
        known = files.is_known(file) or not file.is_file()
        state = files.read_state(file, key, separator) if known else None
        beside = files.read(io) if io is not None else None
    except FormatError as error:
        raise ImportFailedError(str(error)) from error
    facts = {"source": {"file": file.name, "sha256": _digest(file)}}
    if io is None or beside is None:
        return Source(file, state, None, None, facts)
    for name in (inputs, outputs):
        if name not in beside:
            raise ImportFailedError(
                f"{io} has no variable {name!r}, only {', '.join(beside)}: name the variables of "
                f"inputs and outputs with --inputs and --outputs"
            )
    facts["io"] = {"file": io.name, "sha256": _digest(io)}
    return Source(file, state, beside[inputs], beside[outputs], facts)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@dataclass
class Importer:
    """One import: the source, and the recipe that it is a golden of.

    Where a recipe of that name is found, the error budget is measured on the current layer with
    the imported state in it, and ``result`` says whether it loads and computes the same. A file
    with the ending of a native route that the recipe relies on, or of ``route``, is kept as it
    is, and its state is what today's library reads from it.
    """

    library: str
    recipe: str
    source: Source
    module: str | None = None
    route: str | None = None
    golden: Golden | None = None
    artifact: Artifact | None = None
    adapter: str | None = None
    result: Result | None = None
    problem: str | None = None

    def wants(self, library: str, recipe: str) -> bool:
        return (library, recipe) == (self.library, self.recipe)

    def bare(self) -> Golden:
        """The golden without a budget, which needs outputs. Raises ImportFailedError."""
        given = self.source.inputs
        if self.source.state is None:
            raise ImportFailedError(
                f"{self.source.file} is of no format that is known here "
                f"({', '.join(sorted(files.READERS))}), and no route of a recipe {self.recipe!r} "
                f"has files of its ending{_because(self.problem)}"
            )
        if self.source.outputs is None:
            raise ImportFailedError(
                f"nothing says what {self.recipe} computed: give the file with inputs and outputs "
                f"as --io, or write a recipe {self.recipe!r} into which the file loads, whose "
                f"outputs then count{_because(self.problem)}"
            )
        try:
            return Golden(
                self.recipe,
                Tree.of(self.source.state),
                given if isinstance(given, Tree) else Tree.of({"args": (given,), "kwargs": {}}),
                Tree.of(self.source.outputs),
                {},
                self.source.facts,
            )
        except StateError as error:
            raise ImportFailedError(f"{self.recipe}: {error}") from error

    def adopt(self, recipe: Recipe, build: Callable[[], Any]) -> tuple[Result, str | None]:
        """Measure the budget on the recipe's layer and check the golden against it."""
        adapter = resolve(recipe.library, recipe.loaders)
        self.module, self.adapter = recipe.module, recipe.library.adapter
        try:
            route = self._route(recipe, adapter)
            self._complete(recipe, adapter, route, build)
            golden = self._measured(self.bare(), recipe, adapter, route, build)
        except ImportFailedError as error:
            self.problem = str(error)
            return Result(self.library, self.recipe, "", "recorded"), None
        except Exception as error:  # noqa: BLE001  the loader's, told as it is
            self.problem = words(error)
            return Result(self.library, self.recipe, "", "recorded"), None
        self.golden, self.route = golden, route
        artifact = None if self.artifact is None else self.artifact.path
        outcome = check(golden, recipe, adapter, route, build, artifact)
        self.result = Result(
            self.library,
            self.recipe,
            "",
            status(outcome.findings),
            findings=outcome.findings,
            used=outcome.used,
        )
        # The golden is a fact, whatever the current layer makes of it.
        return replace(self.result, status="recorded"), None

    def _route(self, recipe: Recipe, adapter: Adapter) -> str:
        """The route that the file comes by. Sets ``artifact`` for a native one."""
        relied_on = recipe.routes or (adapter.routes[0],)
        if self.route is not None and self.route not in adapter.routes:
            raise ImportFailedError(
                f"--route {self.route}: {self.recipe} has the routes {', '.join(adapter.routes)}"
            )
        for route in (self.route,) if self.route is not None else relied_on:
            suffix = adapter.suffix(route)
            if suffix is not None and self.source.file.name.endswith(suffix):
                self.artifact = Artifact(self.source.file, suffix)
                return route
            if suffix is not None and self.route is not None:
                raise ImportFailedError(
                    f"--route {route} has files that end in {suffix}, not {self.source.file.name}"
                )
        by_tree = (route for route in relied_on if adapter.suffix(route) is None)
        return self.route or next(by_tree, STATE)

    def _complete(
        self, recipe: Recipe, adapter: Adapter, route: str, build: Callable[[], Any]
    ) -> None:
        """Take what no file gives from the recipe: its inputs, what its layer makes of them, and
        the state of a native file."""
        if self.artifact is None and (self.source.state is None or self.source.outputs is not None):
            return
        given = self.source.inputs
        if given is None:
            given = inputs.draw(recipe)
        elif not isinstance(given, Tree):
            given = Tree.of({"args": (given,), "kwargs": {}})
        read = self.source.state
        state = Tree.of({} if read is None else read)
        layer = started(adapter, build(), given, recipe)
        artifact = None if self.artifact is None else self.artifact.path
        layer = restored(adapter, route, layer, state, artifact)
        facts = dict(self.source.facts)
        if artifact is not None:
            read = Tree.of(adapter.state(layer)).plain()
            facts["state"] = "as the version that imported it reads it"
        outputs = self.source.outputs
        if outputs is None:
            outputs = run_layer(adapter, recipe, layer, given).plain()
            facts["outputs"] = "of the version that imported it"
        self.source = replace(self.source, state=read, inputs=given, outputs=outputs, facts=facts)

    def _measured(
        self, golden: Golden, recipe: Recipe, adapter: Adapter, route: str, build: Callable[[], Any]
    ) -> Golden:
        """The golden with its error budget; as it is, with ``problem``, where there can be none."""
        by = route if self.artifact is None else STATE
        try:
            layer = started(adapter, build(), golden.inputs, recipe)
            given = (layer, by, golden.state, golden.inputs, golden.outputs)
            return replace(golden, budgets=measure(adapter, recipe, *given))
        except RecordError as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001  the loader's, told as it is
            self.problem = words(error)
        return golden

    def commit(self, store: Store, version: str) -> Path:
        """Write the golden. Raises StoreError where there is one already, ImportFailedError."""
        try:
            Version(version)
        except InvalidVersion as error:
            raise ImportFailedError(f"{version!r} is not a version such as 0.14.16") from error
        golden = self.golden or self.bare()
        about = {
            "library": self.library,
            "version": version,
            "adapter": self.adapter,
            **provenance.machine(),
        }
        route = self.route or STATE
        native = {} if self.artifact is None else {route: self.artifact}
        finished = Finished(golden, (route,), self.module, native)
        store_goldens(store, version, [finished], about, {})
        release = store.release(version)
        assert release is not None
        return store.path(release, release.entries[self.recipe])


def _because(problem: str | None) -> str:
    return f" ({problem})" if problem else ""

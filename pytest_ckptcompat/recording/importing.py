"""A checkpoint from the wild becomes a golden."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from pytest_ckptcompat.adapters import resolve
from pytest_ckptcompat.checks import check
from pytest_ckptcompat.formats import FormatError
from pytest_ckptcompat.golden import Golden
from pytest_ckptcompat.layers import restored, started
from pytest_ckptcompat.recording import inputs, provenance
from pytest_ckptcompat.recording.make import RecordError, measure, run_layer
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
    """A checkpoint file, read. ``inputs`` and ``outputs`` are None where no file gave them."""

    state: Any
    inputs: Any
    outputs: Any
    facts: Mapping[str, Any]


def read_source(file: Path, io: Path | None, *, inputs: str, outputs: str) -> Source:
    """Read a checkpoint, and the inputs and outputs beside it.

    ``inputs`` and ``outputs`` name the variables in the ``io`` file. Raises ImportFailedError.
    """
    values = read_file(file)
    if len(values) != 1:
        raise ImportFailedError(
            f"{file} holds {', '.join(values) or 'nothing'}: expected one variable, the state"
        )
    facts = {"source": {"file": file.name, "sha256": _digest(file)}}
    if io is None:
        return Source(next(iter(values.values())), None, None, facts)
    beside = read_file(io)
    for name in (inputs, outputs):
        if name not in beside:
            raise ImportFailedError(
                f"{io} has no variable {name!r}, only {', '.join(beside)}: name the variables of "
                f"inputs and outputs with --inputs and --outputs"
            )
    facts["io"] = {"file": io.name, "sha256": _digest(io)}
    return Source(next(iter(values.values())), beside[inputs], beside[outputs], facts)


def read_file(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ImportFailedError(f"{file} does not exist")
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise ImportFailedError(
            f"{file} is of no format that is known here; known: {', '.join(sorted(_READERS))}"
        )
    try:
        return reader(file)
    except FormatError as error:
        raise ImportFailedError(str(error)) from error


def _read_jld2(file: Path) -> dict[str, Any]:
    from pytest_ckptcompat.formats import jld2  # noqa: PLC0415

    return jld2.read(file)


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {".jld2": _read_jld2}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@dataclass
class Importer:
    """One import: the source, and the recipe that it is a golden of.

    Where a recipe of that name is found, the error budget is measured on the current layer with
    the imported state in it, and ``result`` says whether it loads and computes the same.
    """

    library: str
    recipe: str
    source: Source
    module: str | None = None
    route: str = "state"
    golden: Golden | None = None
    adapter: str | None = None
    result: Result | None = None
    problem: str | None = None

    def wants(self, library: str, recipe: str) -> bool:
        return (library, recipe) == (self.library, self.recipe)

    def bare(self) -> Golden:
        """The golden without a budget, which needs outputs. Raises ImportFailedError."""
        given = self.source.inputs
        if self.source.outputs is None:
            raise ImportFailedError(
                f"nothing says what {self.recipe} computed: give the file with inputs and outputs "
                f"as --io, or write a recipe {self.recipe!r} into which the file loads, whose "
                f"outputs then count"
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
        adapter = resolve(recipe.library)
        self.module, self.route = recipe.module, (recipe.routes or adapter.routes)[0]
        self.adapter = recipe.library.adapter
        if self.source.outputs is None:
            self._compute(recipe, adapter, build)
        golden = self.bare()
        try:
            layer = started(adapter, build(), golden.inputs, recipe)
            given = (layer, self.route, golden.state, golden.inputs, golden.outputs)
            golden = replace(golden, budgets=measure(adapter, recipe, *given))
        except RecordError as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001  the loader's, told as it is
            self.problem = f"{type(error).__name__}: {error}"
        self.golden = golden
        outcome = check(golden, recipe, adapter, self.route, build)
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

    def _compute(self, recipe: Recipe, adapter: Adapter, build: Callable[[], Any]) -> None:
        """Take for inputs what the recipe asks for, for outputs what its layer makes of them."""
        given = inputs.draw(recipe)
        state = Tree.of(self.source.state)
        layer = restored(adapter, self.route, started(adapter, build(), given, recipe), state, None)
        outputs = run_layer(adapter, recipe, layer, given).plain()
        facts = {**self.source.facts, "outputs": "of the version that imported it"}
        self.source = Source(self.source.state, given, outputs, facts)

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
        store_goldens(store, version, [Finished(golden, (self.route,), self.module)], about, {})
        release = store.release(version)
        assert release is not None
        return store.path(release, release.entries[self.recipe])

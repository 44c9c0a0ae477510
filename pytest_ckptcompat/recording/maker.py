"""Recording one recipe: perturb a fresh layer, load that back, verify, run, measure.

A fresh layer has zero biases, unit scales and counters at zero, which a loader that loads nothing
would reproduce as well. So every floating array and every counter is perturbed first; bit equality
then proves that loading happened.

Written for Python 3.8 with NumPy alone: the recorder takes this file into old environments.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import budget, jitter
from pytest_ckptcompat.bits import same_bits
from pytest_ckptcompat.drift import diff
from pytest_ckptcompat.jitter import is_inexact
from pytest_ckptcompat.kinds import Kind
from pytest_ckptcompat.layers import (
    lacking,
    outputs_of,
    restored,
    same_outputs,
    started,
    words,
)
from pytest_ckptcompat.names import file_name
from pytest_ckptcompat.recording import inputs, precision
from pytest_ckptcompat.state import Name, Path, Static, Tree, format_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path as FilePath

    import numpy as np

    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.recipe import Recipe

#: Forward passes under random one-ulp perturbations that measure a budget.
PASSES = 8
SEED = 20140817
#: By this route every adapter can put a state tree into a layer, whatever its users rely on.
STATE = "state"


class RecordError(Exception):
    """A recipe that cannot become a golden; the sentence says why."""


@dataclass(frozen=True)
class Recorded:
    """What a recipe's layer saved and computed.

    ``inputs`` is the tree of ``{"args": (...), "kwargs": {...}}``; ``budgets`` are by the
    formatted path of an output. ``routes`` restore it, ``refused`` says why others do not;
    ``files`` are the native files by route, each with its ending. ``unloaded`` are the paths of
    arrays that the loader does not load, ``untied`` says what it made of tied ones.
    """

    recipe: str
    state: Tree
    inputs: Tree
    outputs: Tree
    budgets: Mapping[str, budget.Budget]
    facts: Mapping[str, Any]
    routes: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[FilePath, str]] = field(default_factory=dict)
    unloaded: tuple[str, ...] = ()
    untied: tuple[str, ...] = ()


def record(
    recipe: Recipe, adapter: Adapter, build: Callable[[], Any], folder: FilePath
) -> Recorded:
    """Record a recipe; native files go into ``folder``, the rest stays in memory.

    Raises RecordError, or what the recipe itself raises.
    """
    maker = _Maker(recipe, adapter, build, folder)
    routes = recipe.routes or tuple(adapter.routes[:1])
    unknown = [route for route in routes if route not in adapter.routes]
    if unknown:
        raise RecordError(
            f"{recipe.name}: no route {unknown[0]!r}; the adapter {recipe.library.adapter!r} has "
            f"{', '.join(adapter.routes)}"
        )
    wanted = maker.perturbed()
    known: Recorded | None = None
    refused, good = {}, []
    for route in routes:
        needed = lacking(adapter, route)
        if needed is not None:
            refused[route] = (
                f"{recipe.name}: the route {route!r} needs {needed}, which is not installed"
            )
            continue
        try:
            known = maker.verified(wanted if known is None else known.state, route, known)
        except RecordError as error:
            refused[route] = str(error)
        else:
            good.append(route)
    if known is None:
        raise RecordError("; ".join(refused.values()))
    files = {route: maker.files[route] for route in good if route in maker.files}
    return replace(known, routes=tuple(good), refused=refused, files=files)


class _Maker:
    def __init__(
        self, recipe: Recipe, adapter: Adapter, build: Callable[[], Any], folder: FilePath
    ) -> None:
        self.recipe = recipe
        self.adapter = adapter
        self._build = build
        self._inputs = inputs.draw(recipe)
        self._folder = folder
        self._moved: set[str] = set()
        self.files: dict[str, tuple[FilePath, str]] = {}

    def fresh(self) -> Any:
        return started(self.adapter, self._build(), self._inputs, self.recipe)

    def perturbed(self) -> Tree:
        """A fresh layer's state with every floating array and counter perturbed."""
        self.adapter.seed(SEED)
        fresh = self._state(self.fresh())
        drifts = diff(fresh, self._state(self.fresh()))
        if drifts:
            raise RecordError(
                f"{self.recipe.name} is not deterministic: two layers that it built differ "
                f"({drifts[0]})"
            )
        for path, thing in _unkept(fresh):
            raise RecordError(
                f"{self.recipe.name}: {format_path(path)} is {thing}, which a golden cannot keep; "
                f"give the library's own state= and load= in [tool.ckptcompat]"
            )
        perturbed = fresh.map_arrays(self._perturb)
        self._moved = set(_unlike(fresh, perturbed))
        return perturbed

    def _state(self, layer: Any) -> Tree:
        try:
            return _copied(Tree.of(self.adapter.state(layer)))
        except Exception as error:
            raise RecordError(
                f"{self.recipe.name}: the state of its layer cannot be read: {words(error)}"
            ) from error

    def _perturb(self, path: Path, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        seed = f"{self.recipe.name}\0{format_path(path)}\0{array.dtype}\0{array.shape}"
        array = jitter.jitter_counter(array, seed)
        return (jitter.jitter_exact if self.recipe.exact else jitter.jitter)(array, seed)

    def verified(self, wanted: Tree, route: str, known: Recorded | None) -> Recorded:
        """The record of the state as the library loads it by that route, or the known one.

        Raises RecordError where it does not load back, or does not compute twice alike.
        """
        name = self.recipe.name
        layer, state = self._loaded(wanted, route)
        lost = _unlike(wanted, state)
        drifts = diff(wanted, state)
        # A loader that copies arrays unties them: no loss that a forward pass could show.
        untied = [str(drift) for drift in drifts if drift.kind is Kind.UNTIED]
        statics_count = self.adapter.carries_statics(route)
        for drift in drifts:
            # Static values that a route does not carry are judged by the outputs.
            if drift.kind is not Kind.UNTIED and (statics_count or not drift.is_static):
                raise RecordError(
                    f"{name} does not load back by the route {route!r} in the version that wrote "
                    f"it: {drift}"
                )
        again, second = self._loaded(state, route)
        loose = _unlike(state, second)
        nothing = self._moved and self._moved <= set(lost)
        if loose or nothing or (lost and known is not None):
            unlike = loose or lost
            raise RecordError(
                f"{name} does not load back by the route {route!r} in the version that wrote it: "
                f"the loader leaves {len(unlike)} of {len(state.arrays())} arrays as a fresh layer "
                f"has them ({', '.join(unlike[:4])})"
            )
        outputs = self._outputs(layer)
        if known is not None and not same_outputs(outputs, known.outputs):
            raise RecordError(f"{name}: the route {route!r} gives other outputs than the first")
        self._repeatable(layer, again, outputs)
        if known is not None:
            return known
        if self.recipe.exact:
            self._exact(again, outputs)
        by = route if self.adapter.suffix(route) is None else STATE
        budgets = measure(self.adapter, self.recipe, again, by, state, self._inputs, outputs)
        facts = {"exact": True} if self.recipe.exact else {}
        return Recorded(
            *(name, state, self._inputs, outputs, budgets, facts),
            unloaded=tuple(lost),
            untied=tuple(untied),
        )

    def _loaded(self, state: Tree, route: str) -> tuple[Any, Tree]:
        try:
            artifact = self._saved(state, route)
            layer = restored(self.adapter, route, self.fresh(), state, artifact)
        except Exception as error:
            raise RecordError(
                f"{self.recipe.name} does not load back by the route {route!r} in the version "
                f"that wrote it: {words(error)}"
            ) from error
        state = self._state(layer)
        for name in _names(self.adapter.state(layer)):
            raise RecordError(
                f"{self.recipe.name}: of {name.text} only the name is kept, by which it cannot be "
                f"found again: give it a name in a module, or give the library's own state= and "
                f"load= in [tool.ckptcompat]"
            )
        return layer, state

    def _saved(self, state: Tree, route: str) -> FilePath | None:
        """The native file of a layer in that state, for a route that has one."""
        suffix = self.adapter.suffix(route)
        if suffix is None:
            return None
        path = self._folder / f"{file_name(self.recipe.name)}.{file_name(route)}{suffix}"
        layer = self.adapter.load(self.fresh(), state.plain(), STATE)
        self.adapter.save(self.adapter.prepare(layer), route, path)
        self.files[route] = (path, suffix)
        return path

    def _outputs(self, layer: Any) -> Tree:
        outputs = run_layer(self.adapter, self.recipe, layer, self._inputs)
        if not outputs.leaves() or outputs.root == Static(None):
            raise RecordError(
                f"{self.recipe.name}: the forward pass gives nothing to compare; say with call= "
                f"what to run"
            )
        for path, thing in _unkept(outputs):
            raise RecordError(
                f"{self.recipe.name}: the output {format_path(path)} is {thing}, which cannot be "
                f"compared; say with call= what to run, a function of the layer and its inputs "
                f"that gives arrays"
            )
        return _copied(outputs)

    def _exact(self, layer: Any, outputs: Tree) -> None:
        double = precision.in_double(self.adapter, self.recipe, layer, self._inputs)
        why = precision.inexact(outputs, double)
        if why is not None:
            raise RecordError(
                f"{self.recipe.name} is marked exact, but its arithmetic is not: {why}. Exact is "
                f"for layers that add and multiply (no tanh, softmax, normalisation or mean over "
                f"three): return the layer without these, or leave out exact=True"
            )

    def _repeatable(self, layer: Any, again: Any, outputs: Tree) -> None:
        for other in (layer, again):
            if not same_outputs(outputs, run_layer(self.adapter, self.recipe, other, self._inputs)):
                raise RecordError(
                    f"{self.recipe.name} is not deterministic: two forward passes on the same "
                    f"state and inputs differ (inference mode off, or random draws in the pass?)"
                )


def run_layer(adapter: Adapter, recipe: Recipe, layer: Any, given: Tree) -> Tree:
    """The outputs of a layer on given inputs. Raises RecordError where the pass raises."""
    try:
        return outputs_of(adapter, layer, given, recipe)
    except Exception as error:
        raise RecordError(f"{recipe.name}: the forward pass raised {words(error)}") from error


def measure(
    adapter: Adapter,
    recipe: Recipe,
    layer: Any,
    route: str,
    state: Tree,
    given: Tree,
    outputs: Tree,
) -> dict[str, budget.Budget]:
    """The error budget of each floating output, by formatted path.

    Monte-Carlo arithmetic: the forward pass is run again under ``PASSES`` random perturbations of
    every array and input by one unit in the last place, against a pass on the state as it is;
    and once in double precision, where the adapter can, which shows how intermediate results are
    rounded.
    """
    rng = inputs.generator(recipe)

    def loaded(tree: Tree) -> Any:
        try:
            return adapter.prepare(adapter.load(layer, tree.plain(), route))
        except Exception as error:
            raise RecordError(
                f"{recipe.name}: its error budget cannot be measured, since a state that differs "
                f"by rounding does not load: {words(error)}"
            ) from error

    layer = loaded(state)
    base = _copied(run_layer(adapter, recipe, layer, given)).arrays()
    paths = [path for path, array in outputs.arrays().items() if is_inexact(array.dtype)]

    def runs() -> Iterator[dict[Path, np.ndarray[Any, Any]]]:
        for _ in range(PASSES):
            nudged = state.map_arrays(lambda _, array: jitter.nudge(array, rng))
            moved = given.map_arrays(lambda _, array: jitter.nudge(array, rng))
            yield _copied(run_layer(adapter, recipe, loaded(nudged), moved)).arrays()

    results = list(runs())
    layer = loaded(state)
    double = precision.in_double(adapter, recipe, layer, given)
    budgets = {}
    for path in paths:
        alike = [r[path] for r in results if path in r and r[path].shape == base[path].shape]
        exact = double.arrays().get(path) if double is not None and path in base else None
        if exact is not None and precision.is_rounding(base[path], exact):
            alike.append(exact)
        if path in base and alike:
            budgets[format_path(path)] = budget.pack(budget.measure(base[path], alike))
    return budgets


def _copied(tree: Tree) -> Tree:
    return tree.map_arrays(lambda _, array: array.copy())


def _unlike(want: Tree, have: Tree) -> list[str]:
    """The paths of arrays that are not the same bits on both sides."""
    got = have.arrays()
    return [
        format_path(path)
        for path, array in want.arrays().items()
        if path not in got or not same_bits(array, got[path])
    ]


def _unkept(tree: Tree) -> Iterator[tuple[Path, str]]:
    """Leaves of which nothing but the type is known."""
    for path, leaf in tree.leaves().items():
        for value in _names(leaf.value if isinstance(leaf, Static) else None):
            if value.kind == "object":
                yield path, f"an object of type {value.text}"


def _names(value: Any) -> Iterator[Name]:
    """The names within plain Python."""
    if isinstance(value, Name):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _names(item)

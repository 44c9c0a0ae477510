"""Making one golden: perturb a fresh layer, load that back, verify, run, measure.

A fresh layer has zero biases and unit scales, which a loader that loads nothing would reproduce
as well. So every floating array is perturbed first; bit equality then proves that loading
happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import budget, jitter
from pytest_ckptcompat.bits import same_bits
from pytest_ckptcompat.checks import same_outputs, words
from pytest_ckptcompat.drift import diff
from pytest_ckptcompat.golden import Golden
from pytest_ckptcompat.recording import advice, inputs
from pytest_ckptcompat.state import Name, Path, Static, Tree, format_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np

    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.recipe import Recipe

#: Forward passes under random one-ulp perturbations that measure a budget.
PASSES = 8
SEED = 20140817


class RecordError(Exception):
    """A recipe that cannot become a golden; the sentence says why."""


@dataclass(frozen=True)
class Made:
    """A golden, the routes that restore it, those that cannot and why, and advice."""

    golden: Golden
    routes: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    advice: tuple[str, ...] = ()


def make(recipe: Recipe, adapter: Adapter, build: Callable[[], Any]) -> Made:
    """Record a recipe in memory. Raises RecordError, or what the recipe itself raises."""
    maker = _Maker(recipe, adapter, build)
    routes = recipe.routes or tuple(adapter.routes[:1])
    unknown = [route for route in routes if route not in adapter.routes]
    if unknown:
        raise RecordError(
            f"{recipe.name}: no route {unknown[0]!r}; the adapter {recipe.library.adapter!r} has "
            f"{', '.join(adapter.routes)}"
        )
    wanted = maker.perturbed()
    golden, refused, good = None, {}, []
    for route in routes:
        try:
            golden = maker.verified(wanted if golden is None else golden.state, route, golden)
        except RecordError as error:
            refused[route] = str(error)
        else:
            good.append(route)
    if golden is None:
        raise RecordError("; ".join(refused.values()))
    return Made(golden, tuple(good), refused, advice.about(golden, maker.unloaded))


class _Maker:
    def __init__(self, recipe: Recipe, adapter: Adapter, build: Callable[[], Any]) -> None:
        self.recipe = recipe
        self.adapter = adapter
        self._build = build
        self._inputs = inputs.draw(recipe)
        self.unloaded: tuple[str, ...] = ()

    def fresh(self) -> Any:
        return self.adapter.prepare(self._build())

    def perturbed(self) -> Tree:
        """A fresh layer's state with every floating array perturbed."""
        self.adapter.seed(SEED)
        fresh = _copied(Tree.of(self.adapter.state(self.fresh())))
        drifts = diff(fresh, Tree.of(self.adapter.state(self.fresh())))
        if drifts:
            raise RecordError(
                f"{self.recipe.name} is not deterministic: two layers that it built differ "
                f"({drifts[0]})"
            )
        for path, leaf in fresh.leaves().items():
            value = leaf.value if isinstance(leaf, Static) else None
            if isinstance(value, Name) and value.kind == "object":
                raise RecordError(
                    f"{self.recipe.name}: {format_path(path)} is an object of type {value.text}, "
                    f"which a golden cannot keep; give the library's own state= and load="
                )
        return fresh.map_arrays(self._perturb)

    def _perturb(self, path: Path, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        seed = f"{self.recipe.name}\0{format_path(path)}\0{array.dtype}\0{array.shape}"
        if self.recipe.exact:
            return jitter.jitter_exact(array, seed)
        return jitter.jitter(array, seed)

    def verified(self, wanted: Tree, route: str, known: Golden | None) -> Golden:
        """A golden of the state as the library loads it by that route, or the known one.

        Raises RecordError where it does not load back, or does not compute twice alike.
        """
        name = self.recipe.name
        layer, state = self._loaded(wanted, route)
        lost = _unlike(wanted, state)
        drifts = diff(wanted, state)
        if drifts:
            raise RecordError(
                f"{name} does not load back by the route {route!r} in the version that wrote it: "
                f"{drifts[0]}"
            )
        again, second = self._loaded(state, route)
        loose = _unlike(state, second)
        total = len(state.arrays())
        if loose or (total and len(lost) == total and _perturbable(wanted)):
            raise RecordError(
                f"{name} does not load back by the route {route!r} in the version that wrote it: "
                f"the loader leaves {len(loose or lost)} of {total} arrays as a fresh layer has "
                f"them ({', '.join((loose or lost)[:4])})"
            )
        outputs = self._outputs(layer)
        if known is not None and not same_outputs(outputs, known.outputs):
            raise RecordError(f"{name}: the route {route!r} gives other outputs than the first")
        self._repeatable(layer, again, outputs)
        self.unloaded = tuple(lost)
        if known is not None:
            return known
        budgets = measure(self.adapter, self.recipe, again, route, state, self._inputs, outputs)
        facts = {"exact": self.recipe.exact}
        return Golden(name, state, self._inputs, outputs, budgets, facts)

    def _loaded(self, state: Tree, route: str) -> tuple[Any, Tree]:
        try:
            layer = self.adapter.load(self.fresh(), state.plain(), route)
        except Exception as error:
            raise RecordError(
                f"{self.recipe.name} does not load back by the route {route!r} in the version "
                f"that wrote it: {words(error)}"
            ) from error
        layer = self.adapter.prepare(layer)
        return layer, _copied(Tree.of(self.adapter.state(layer)))

    def _outputs(self, layer: Any) -> Tree:
        outputs = run_layer(self.adapter, self.recipe, layer, self._inputs)
        if not outputs.leaves() or outputs.root == Static(None):
            raise RecordError(
                f"{self.recipe.name}: the forward pass gives nothing to compare; say with call= "
                f"what to run"
            )
        return _copied(outputs)

    def _repeatable(self, layer: Any, again: Any, outputs: Tree) -> None:
        for other in (layer, again):
            if not same_outputs(outputs, run_layer(self.adapter, self.recipe, other, self._inputs)):
                raise RecordError(
                    f"{self.recipe.name} is not deterministic: two forward passes on the same "
                    f"state and inputs differ (inference mode off, or random draws in the pass?)"
                )


def run_layer(adapter: Adapter, recipe: Recipe, layer: Any, given: Tree) -> Tree:
    """The outputs of a layer on given inputs. Raises RecordError where the pass raises."""
    plain = given.plain()
    try:
        return Tree.of(adapter.forward(layer, plain["args"], plain["kwargs"], recipe.call))
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
    every array and input by one unit in the last place, against a pass on the state as it is.
    """
    rng = inputs.generator(recipe)
    layer = adapter.load(layer, state.plain(), route)
    base = _copied(run_layer(adapter, recipe, layer, given)).arrays()
    paths = [path for path, array in outputs.arrays().items() if _is_floating(array)]

    def runs() -> Iterator[dict[Path, np.ndarray[Any, Any]]]:
        for _ in range(PASSES):
            nudged = state.map_arrays(lambda _, array: jitter.nudge(array, rng))
            moved = given.map_arrays(lambda _, array: jitter.nudge(array, rng))
            perturbed = adapter.load(layer, nudged.plain(), route)
            yield _copied(run_layer(adapter, recipe, perturbed, moved)).arrays()

    results = list(runs())
    adapter.load(layer, state.plain(), route)
    budgets = {}
    for path in paths:
        alike = [r[path] for r in results if path in r and r[path].shape == base[path].shape]
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


def _perturbable(tree: Tree) -> bool:
    return any(array.size and _is_floating(array) for array in tree.arrays().values())


def _is_floating(array: np.ndarray[Any, Any]) -> bool:
    return jitter.is_inexact(array.dtype)

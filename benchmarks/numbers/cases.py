"""The layers that are recorded, and the goldens of Flux, whose outputs Julia computed."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat import golden as goldens
from pytest_ckptcompat.adapters import resolve
from pytest_ckptcompat.config import Library, read
from pytest_ckptcompat.layers import outputs_of, restored
from pytest_ckptcompat.recipe import Recipe
from pytest_ckptcompat.recording.make import make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_ckptcompat.golden import Golden
    from pytest_ckptcompat.state import Tree

ROOT = Path(__file__).parents[2]
#: Releases of Flux whose arithmetic is today's: LayerNorm's was another before 0.15.
RELEASES = ("0.15.0", "0.16.0", "0.16.4")

sys.path.insert(0, str(ROOT / "examples" / "fluxnp"))
fluxnp: Any = importlib.import_module("fluxnp")


@dataclass(frozen=True)
class Case:
    """A golden, and how its layer is built. ``wrong`` builds layers with one thing wrong."""

    name: str
    golden: Golden
    recipe: Recipe
    build: Callable[[], Any]
    wrong: dict[str, Callable[[], Any]]

    def outputs(self, state: Tree | None = None, build: Callable[[], Any] | None = None) -> Any:
        """The first output, of a state (the golden's) in a layer (the recipe's)."""
        adapter = resolve(self.recipe.library)
        layer = adapter.prepare((build or self.build)())
        loaded = restored(adapter, "state", layer, state or self.golden.state, None)
        tree = outputs_of(adapter, loaded, self.golden.inputs, self.recipe)
        return next(iter(tree.arrays().values())).copy()

    @property
    def expected(self) -> Any:
        return next(iter(self.golden.outputs.arrays().values()))

    @property
    def budget(self) -> Any:
        return next(iter(self.golden.budgets.values()))


_ERF = np.vectorize(math.erf, otypes=["f4"])


class Gelu:
    """A dense layer with GELU, by the error function or as tanh approximates it."""

    def __init__(self, *, tanh: bool = False) -> None:
        rng = np.random.default_rng(4)
        self.weight = rng.normal(size=(32, 24)).astype("f4") / np.float32(5)
        self._act = _gelu_tanh if tanh else _gelu_erf

    def __call__(self, x: Any) -> Any:
        return self._act(x @ self.weight)

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weight = state["weight"]


def _gelu_erf(x: Any) -> Any:
    return x * np.float32(0.5) * (1 + _ERF(x / np.float32(math.sqrt(2))))


def _gelu_tanh(x: Any) -> Any:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x**3)
    return x * np.float32(0.5) * (1 + np.tanh(inner))


def _old_norm(self: Any, x: Any) -> Any:
    centred = x - x.mean(0, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(0, keepdims=True))
    return self.diag(centred / (deviation + self.eps))


#: With epsilon added to the deviation, not its square to the variance.
_OldNorm = type("LayerNorm", (fluxnp.LayerNorm,), {"__call__": _old_norm})


def _norm(kind: Any, **options: Any) -> Any:
    return kind(48, **options)


def _squared_eps() -> Any:
    layer = fluxnp.BatchNorm(6)
    layer.eps = layer.eps * layer.eps
    return layer


def _mlp(width: int) -> Any:
    return fluxnp.Chain(*(fluxnp.Dense(width, width, fluxnp.tanh) for _ in range(4)))


def _padded(*pad: int) -> Any:
    return fluxnp.Conv((3, 3), (6, 8), pad=pad)


def _deconv(channels: int) -> Any:
    return fluxnp.ConvTranspose((3, 3), (channels, channels), stride=2, pad=1)


_F = functools.partial
#: By name: how it is built, the shapes of its inputs, and builds with one thing wrong.
LAYERS: dict[str, tuple[Callable[[], Any], list[tuple[int, ...]], dict[str, Any]]] = {
    "ConvTranspose, 64 channels": (_F(_deconv, 64), [(6, 5, 64, 2)], {}),
    "ConvTranspose, 256 channels": (_F(_deconv, 256), [(4, 3, 256, 1)], {}),
    "tanh MLP, 4 x 64": (_F(_mlp, 64), [(64, 8)], {}),
    "tanh MLP, 4 x 256": (_F(_mlp, 256), [(256, 8)], {}),
    "attention": (_F(fluxnp.MultiHeadAttention, 32, nheads=4), [(32, 7, 3)], {}),
    "LSTM": (_F(fluxnp.LSTM, 24, 32), [(24, 9, 2)], {}),
    "GELU": (Gelu, [(6, 32)], {"GELU by tanh for erf": _F(Gelu, tanh=True)}),
    "LayerNorm": (
        _F(_norm, fluxnp.LayerNorm),
        [(48, 6)],
        {"epsilon beside the deviation, not squared": _F(_norm, _OldNorm)},
    ),
    "BatchNorm": (
        _F(fluxnp.BatchNorm, 6),
        [(5, 4, 6, 2)],
        {"epsilon squared": _squared_eps},
    ),
    "Conv": (
        _F(_padded, 1, 0, 1, 0),
        [(7, 6, 6, 2)],
        {"padding on the other side": _F(_padded, 0, 1, 0, 1)},
    ),
}


def recorded(names: Iterable[str] = LAYERS) -> list[Case]:
    """The layers above, each recorded now, as ``--ckpt-record`` does it."""
    cases = []
    for name in names:
        recipe, build, wrong = _of(name)
        made = make(recipe, resolve(recipe.library), build, Path())
        cases.append(Case(name, made.golden, recipe, build, wrong))
    return cases


def _first(layer: Any, x: Any) -> Any:
    return layer(x)[0]


def of_flux(releases: Iterable[str] = RELEASES) -> list[Case]:
    """The goldens of Flux."""
    path = ROOT / "examples" / "fluxnp" / "test_checkpoints.py"
    spec = importlib.util.spec_from_file_location("flux_recipes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    library, cases = read(ROOT).library("flux"), []
    for version in releases:
        for file in sorted((ROOT / "golden" / "flux" / version).glob("*.h5")):
            golden = goldens.read(file, sha256=None)
            build = getattr(module, f"test_{golden.recipe}")
            call = next((mark.kwargs.get("call") for mark in build.pytestmark), None)
            recipe = Recipe(golden.recipe, library, inputs=[], call=call)
            cases.append(Case(f"flux {version} {golden.recipe}", golden, recipe, build, {}))
    return cases


def save(cases: list[Case], folder: Path) -> None:
    """Keep what was recorded for processes that compute it again."""
    for case in cases:
        goldens.write(folder / f"{list(LAYERS).index(case.name)}.h5", case.golden)


def saved(folder: Path) -> list[Case]:
    """What ``save`` kept."""
    return [
        Case(name, goldens.read(file, sha256=None), *_of(name))
        for number, name in enumerate(LAYERS)
        if (file := folder / f"{number}.h5").exists()
    ]


def _of(name: str) -> tuple[Recipe, Callable[[], Any], dict[str, Any]]:
    build, shapes, wrong = LAYERS[name]
    library = Library("gelu") if build is Gelu else read(ROOT).library("flux")
    call = _first if name == "attention" else None
    return Recipe(name, library, inputs=shapes, call=call), build, wrong

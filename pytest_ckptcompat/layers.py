"""What is done with a layer, be it for checking or for recording: restore a state, run it.

Written for Python 3.8 with NumPy alone: the recorder takes this file into old environments.
"""

from __future__ import annotations

import pathlib
import re
import traceback
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.bits import same_bits
from pytest_ckptcompat.drift import diff
from pytest_ckptcompat.jitter import is_inexact
from pytest_ckptcompat.state import Tree

if TYPE_CHECKING:
    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.recipe import Recipe

#: What makes text bold or coloured on a terminal.
_STYLE = re.compile("\x1b\\[[0-9;]*m")


def started(adapter: Adapter, layer: Any, inputs: Tree, recipe: Recipe) -> Any:
    """A freshly built layer in inference mode, its arrays made where that takes inputs."""
    start = getattr(adapter, "start", None)
    if start is not None:
        given = inputs.plain()
        layer = start(layer, given["args"], given["kwargs"], recipe.call)
    return adapter.prepare(layer)


def restored(
    adapter: Adapter, route: str, layer: Any, state: Tree, artifact: pathlib.Path | None
) -> Any:
    """The layer with a state restored through a route, in inference mode.

    Raises whatever the library's loader raises.
    """
    if artifact is not None and adapter.suffix(route) is not None:
        return adapter.prepare(adapter.restore(layer, route, artifact))
    return adapter.prepare(adapter.load(layer, state.plain(), route))


def lacking(adapter: Adapter, route: str) -> str | None:
    """What a route needs that is not installed here, where the adapter knows of it."""
    ask = getattr(adapter, "needs", None)
    return None if ask is None else ask(route)


def words(error: BaseException) -> str:
    """An exception in its own words, on one line, with the place of the user's that raised it."""
    said = " ".join(_STYLE.sub("", str(error)).split())
    frames = traceback.extract_tb(error.__traceback__)
    ours = frames and pathlib.Path(__file__).parent in pathlib.Path(frames[-1].filename).parents
    place = f" ({_short(frames[-1].filename)}:{frames[-1].lineno})" if frames and not ours else ""
    return f"{type(error).__name__}: {said}{place}" if said else f"{type(error).__name__}{place}"


def _short(filename: str) -> str:
    """A file relative to the current folder where it lies in that, else its last parts."""
    path = pathlib.Path(filename)
    try:
        return str(path.relative_to(pathlib.Path.cwd()))
    except ValueError:
        return "/".join(path.parts[-2:])


def outputs_of(adapter: Adapter, layer: Any, inputs: Tree, recipe: Recipe) -> Tree:
    """The outputs of a layer; floating and complex numbers are arrays without dimensions.

    As static values, they would have to be equal on every machine.
    """
    given = inputs.plain()
    outputs = adapter.forward(layer, given["args"], given["kwargs"], recipe.call)
    return Tree.of(numbers_as_arrays(outputs))


def numbers_as_arrays(value: Any) -> Any:
    """Plain Python with arrays in place of its floating and complex numbers."""
    if isinstance(value, dict):
        return {key: numbers_as_arrays(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [numbers_as_arrays(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    is_number = isinstance(value, (float, complex)) or (
        isinstance(value, np.generic) and is_inexact(value.dtype)
    )
    return np.asarray(value) if is_number else value


def same_outputs(left: Tree, right: Tree) -> bool:
    """Whether two trees of outputs are alike in structure and bits."""
    arrays = right.arrays()
    return not diff(left, right) and all(
        same_bits(array, arrays[path]) for path, array in left.arrays().items()
    )

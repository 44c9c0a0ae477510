"""Warnings about a golden that could not catch much."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.jitter import is_inexact
from pytest_ckptcompat.state import Path, Static, format_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ckptcompat.golden import Golden


def about(
    golden: Golden, unloaded: tuple[str, ...] = (), untied: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """One sentence for each weakness of a golden, the most telling first.

    ``unloaded`` are the paths of arrays that the loader of that release does not load,
    ``untied`` what it made of tied arrays.
    """
    return tuple(_weaknesses(golden, unloaded, untied))


def _weaknesses(
    golden: Golden, unloaded: tuple[str, ...], untied: tuple[str, ...]
) -> Iterator[str]:
    if unloaded:
        yield f"the loader does not load {', '.join(unloaded[:4])}: no break in it can be seen"
    for what in untied:
        yield f"the loader copies what is one array in a fresh layer: {what}"
    for path, array in golden.outputs.arrays().items():
        where = format_path(path) or "(root)"
        if array.size > 1 and _constant(array):
            yield f"the output {where} is the same everywhere: {array.flat[0]}"
        elif is_inexact(array.dtype) and not np.isfinite(array).all():
            yield f"the output {where} holds NaN or infinity"
    for tree, what in ((golden.inputs, "input"), (golden.state, "array")):
        for path, array in tree.arrays().items():
            size = _repeated(array.shape)
            if size:
                yield (
                    f"the {what} {format_path(path)} of shape {list(array.shape)} has {size} along "
                    f"two axes: a swap of them goes unnoticed by shape; choose sizes that differ"
                )
            if array.ndim == 2 and array.shape[0] > 1 and _symmetric(array):
                yield (
                    f"the {what} {format_path(path)} is symmetric: its transpose is the same, and "
                    f"a swap of its axes goes unnoticed"
                )
            if array.size > 1 and _constant(array):
                yield f"the {what} {format_path(path)} is {_alike(path, array)}"
    for path, leaf in golden.state.leaves().items():
        if isinstance(leaf, Static) and _is_neutral(path, leaf.value):
            yield f"{format_path(path)} is {leaf.value}: choose one that changes the outputs"


def _symmetric(array: np.ndarray[Any, Any]) -> bool:
    return array.shape[0] == array.shape[1] and bool((array == array.T).all())


_STATISTIC = re.compile(r".*(mean|var|variance|μ|σ²)", re.IGNORECASE)


def _alike(path: Path, array: np.ndarray[Any, Any]) -> str:
    """What a constant array could not show."""
    value = array.flat[0]
    name = path[-1] if path else ""
    if isinstance(name, str) and _STATISTIC.fullmatch(name) and value in (0, 1):
        return f"{value} everywhere, as in a layer that saw no data: a loader may leave it out"
    if value == 0:
        return "zero everywhere: whether it is loaded or used cannot be seen"
    return f"{value} everywhere: elements out of place go unnoticed"


def _constant(array: np.ndarray[Any, Any]) -> bool:
    return bool((array == array.flat[0]).all())


def _repeated(shape: tuple[int, ...]) -> int:
    counts = Counter(size for size in shape if size > 1)
    return max((size for size, times in counts.items() if times > 1), default=0)


#: Static fields at a value by which a layer does nothing with them.
_NEUTRAL = {"stride": 1, "strides": 1, "dilation": 1, "pad": 0, "padding": 0, "groups": 1}


def _is_neutral(path: Path, value: Any) -> bool:
    name = path[-1] if path else ""
    if not isinstance(name, str) or name.lower() not in _NEUTRAL:
        return False
    values = value if isinstance(value, (tuple, list)) else (value,)
    return bool(values) and all(item == _NEUTRAL[name.lower()] for item in values)

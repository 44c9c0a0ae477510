"""A forward pass in double precision, and whether single precision rounds at all.

Written for Python 3.8 with NumPy alone: the recorder takes this file into old environments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.budget import deviation, widened
from pytest_ckptcompat.jitter import blocks, is_inexact, neighbour, part_dtype
from pytest_ckptcompat.layers import numbers_as_arrays
from pytest_ckptcompat.state import Tree, format_path

if TYPE_CHECKING:
    from pytest_ckptcompat.adapters import Adapter
    from pytest_ckptcompat.recipe import Recipe

    AnyArray = np.ndarray[Any, Any]

#: What deviates by more units in the last place of the largest output is not rounding: the layer
#: computes something else in double precision.
MOST_ULPS = 2.0**13

#: Sums of products of small integers are multiples of this, means over powers of two included.
GRAIN = 2.0**-8


def in_double(adapter: Adapter, recipe: Recipe, layer: Any, given: Tree) -> Tree | None:
    """The outputs of a layer in double precision; None where they are not to be had.

    An adapter that can has a method ``double``, which takes what ``forward`` takes and leaves
    the layer as it is.
    """
    double = getattr(adapter, "double", None)
    if double is None:
        return None
    plain = given.map_arrays(lambda _, array: _double(array)).plain()
    try:
        outputs = double(layer, plain["args"], plain["kwargs"], recipe.call)
        return Tree.of(numbers_as_arrays(outputs))
    except Exception:  # noqa: BLE001  a layer of one precision: its budget is of the others
        return None


def _double(array: AnyArray) -> AnyArray:
    if not is_inexact(array.dtype):
        return array
    return array.astype(np.complex128 if "complex" in array.dtype.name else np.float64)


def is_rounding(base: AnyArray, double: AnyArray) -> bool:
    """Whether an output differs from that in double precision by no more than rounding would."""
    if base.shape != double.shape or not is_inexact(double.dtype):
        return False
    one = np.ones(1, part_dtype(base.dtype.newbyteorder("=")))
    eps = float(widened(neighbour(one, np.ones(1, bool)))[0] - 1)
    apart = largest = 0.0
    for left, right in blocks(base, double):
        zero = np.zeros(1, left.dtype)
        largest = max(largest, float(deviation(zero, left).max(initial=0.0)))
        apart = max(apart, float(deviation(left, right).max(initial=0.0)))
        if (np.isfinite(widened(left)) != np.isfinite(widened(right))).any():
            return False
    return apart <= MOST_ULPS * eps * largest


def inexact(outputs: Tree, double: Tree | None) -> str | None:
    """Why outputs of small-integer arithmetic are not exact, or None.

    They are where double precision gives the very same; without it, where every output is a
    multiple of ``GRAIN`` with as many bits as its dtype has to spare.
    """
    for path, array in outputs.arrays().items():
        if not is_inexact(array.dtype):
            continue
        where = f"the output {format_path(path)}" if path else "the output"
        wide = widened(np.asarray(array).reshape(-1))
        parts = wide.view(np.float64) if wide.dtype.kind == "c" else wide.astype(np.float64)
        if not np.isfinite(parts).all():
            return f"{where} is not finite"
        odd = parts[parts / GRAIN != np.rint(parts / GRAIN)]
        if odd.size:
            return f"{where} holds {odd[0]:.9g}, which sums and products of integers do not give"
        other = None if double is None else double.arrays().get(path)
        if other is not None and other.shape == array.shape:
            found = widened(np.asarray(other).reshape(-1))
            if not np.array_equal(found, wide):
                at = int(np.argmax(found != wide))
                return f"{where} is {wide[at]:.9g}, in double precision {found[at]:.17g}"
    return None

"""Error budgets: how far rounding alone moves each element of an output.

``measure`` takes outputs that were computed again under one-ulp perturbations of state and
inputs; ``pack`` brings the result into one byte per element.

Written for Python 3.8 with NumPy 1.17 alone, like ``jitter``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.jitter import BLOCK, blocks, is_inexact

if TYPE_CHECKING:
    from collections.abc import Iterable

    AnyArray = np.ndarray[Any, Any]

_STEPS = 8  # codes to an octave
_EIGHTH = math.sqrt(math.sqrt(math.sqrt(2.0)))  # 2**(1/8)
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, eq=False)
class Budget:
    """Error budgets in one byte per element.

    ``codes`` is uint8, of the output's shape. Code 0 is no error at all; code c from 1 to 255 is
    ``scale * 2**((c - 255) / 8)``, so that ``scale`` is the largest budget and the smallest one
    that is not zero is 2.8e-10 of it. Budgets are absolute, in units of the output.

    Raises ValueError for codes that are not uint8 or a scale that is not a finite number >= 0.
    """

    codes: AnyArray
    scale: float

    def __post_init__(self) -> None:
        if self.codes.dtype != np.uint8:
            raise ValueError(f"budget codes are {self.codes.dtype}, not uint8")
        if not (math.isfinite(self.scale) and self.scale >= 0):
            raise ValueError(f"a budget's scale is a finite number from 0, not {self.scale}")

    def values(self) -> AnyArray:
        """The budgets as float64, of the output's shape."""
        return np.asarray(_table(self.scale)[self.codes])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Budget):
            return NotImplemented
        return self.scale == other.scale and np.array_equal(self.codes, other.codes)

    __hash__ = None  # type: ignore[assignment]


def _table(scale: float) -> AnyArray:
    """The budget of each code: square roots and products alone, so the same everywhere."""
    octave = [1.0]
    while len(octave) < _STEPS:
        octave.append(octave[-1] * _EIGHTH)
    table = np.zeros(256)
    for code in range(1, 256):
        octaves, eighths = divmod(code - 255, _STEPS)
        table[code] = math.ldexp(scale * (octave[eighths] / 2), octaves + 1)
    return table


def pack(budget: AnyArray) -> Budget:
    """Budgets in one byte each, rounded up by less than 9.1 % (1/8 octave).

    One below 2.8e-10 of the largest is rounded up to that. Raises ValueError for a budget that
    is negative, infinite or NaN.
    """
    budget = np.asarray(budget, np.float64)
    scale = float(budget.max(initial=0.0))
    if not (math.isfinite(scale) and budget.min(initial=0.0) >= 0):
        raise ValueError("a budget is neither negative nor infinite nor NaN")
    codes = np.zeros(budget.shape, np.uint8)
    flat = codes.reshape(-1)
    table = _table(scale)[1:]
    for number, (block,) in enumerate(blocks(budget)):
        found = np.searchsorted(table, block) + 1
        flat[number * BLOCK : number * BLOCK + block.size] = np.where(block > 0, found, 0)
    return Budget(codes, scale)


def measure(base: AnyArray, runs: Iterable[AnyArray]) -> AnyArray:
    """The largest ``|run - base|`` of each element, at least the median over the output.

    The floor stands for the rounding of intermediate results, which a perturbation of state and
    inputs cannot show. Elements that did not move at all do not count for the median: in the
    output of a ReLU they can be the majority. Where ``base`` is NaN or infinite the budget is 0;
    a run that is NaN or infinite where ``base`` is finite is left out there, since ``compare``
    wants these to match whatever the budget. Integers and booleans have the budget 0.

    ``base`` and every run have one shape; the result is float64 of that shape. Runs are taken
    one at a time. Raises ValueError for a run of another shape, and when there is no run.
    """
    base = np.asarray(base)
    budget = np.zeros(base.shape)
    flat = budget.reshape(-1)
    count = 0
    for count, given in enumerate(runs, 1):
        run = np.asarray(given)
        if run.shape != base.shape:
            raise ValueError(f"run {count} has the shape {run.shape}, the output {base.shape}")
        if is_inexact(base.dtype):
            for number, (left, right) in enumerate(blocks(base, run)):
                part = flat[number * BLOCK : number * BLOCK + left.size]
                np.maximum(part, deviation(left, right), out=part)
    if count == 0:
        raise ValueError("there is no run to measure a budget from")
    floor = typical(sample(flat))
    for number, (block,) in enumerate(blocks(base)):
        part = flat[number * BLOCK : number * BLOCK + block.size]
        np.maximum(part, floor, out=part, where=finite(block))
    return budget


def widened(block: AnyArray) -> AnyArray:
    """Floating or complex values in double precision; long doubles as they are."""
    if block.dtype.kind in "fc" and block.dtype.itemsize > (8 if block.dtype.kind == "f" else 16):
        return block
    with np.errstate(all="ignore"):
        return block.astype(np.complex128 if "complex" in block.dtype.name else np.float64)


def finite(block: AnyArray) -> AnyArray:
    """Where a block is neither NaN nor infinite."""
    if not is_inexact(block.dtype):
        return np.ones(block.shape, bool)
    return np.asarray(np.isfinite(widened(block)))


def deviation(left: AnyArray, right: AnyArray) -> AnyArray:
    """``|right - left|`` as float64; 0 where a side is not finite. By modulus for complex ones."""
    left, right = widened(left), widened(right)
    with np.errstate(all="ignore"):
        apart = np.minimum(np.abs(right - left), _LARGEST).astype(np.float64)
        return np.where(np.isfinite(left) & np.isfinite(right), apart, 0.0)


def sample(a: AnyArray) -> AnyArray:
    """The elements in one dimension; of more than 1 Mi elements so many, drawn the same way."""
    if a.size <= BLOCK:
        return a.reshape(-1)
    # A frozen stream. A regular stride could pick elements of one channel only.
    return np.asarray(a.flat[np.random.RandomState(0).randint(0, a.size, BLOCK)])


def typical(values: AnyArray, share: float = 0.5) -> float:
    """That quantile of the positive values, 0 if there are none."""
    positive = values[values > 0]
    return float(np.quantile(positive, share)) if positive.size else 0.0

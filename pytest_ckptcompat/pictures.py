"""What an output came to, brought into a small grid for heat maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.budget import Budget, deviation, widened
from pytest_ckptcompat.grids import Cell, Grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    AnyArray = np.ndarray[Any, Any]

#: How many cells a grid has at most along each side.
SIDE = 24


def grid(
    path: str,
    text: str,
    expected: AnyArray,
    got: AnyArray,
    budget: Budget | None,
    worst: tuple[int, ...] | None,
) -> Grid | None:
    """The grid of an output; None where the two have no elements, or not the same shape."""
    if expected.shape != got.shape or expected.size == 0:
        return None
    shape = expected.shape
    axes = _axes(shape)
    at = worst if worst is not None else (0,) * len(shape)
    where = tuple(slice(None) if axis in axes else at[axis] for axis in range(len(shape)))
    left, right = _plane(expected[where]), _plane(got[where])
    off = _error(left, right)
    if budget is not None:
        off = _in_budgets(off, _plane(Budget(budget.codes[where], budget.scale).values()))
    block = (math.ceil(left.shape[0] / SIDE), math.ceil(left.shape[1] / SIDE))
    chosen = _furthest(off, block)
    named = ", ".join(":" if axis in axes else str(at[axis]) for axis in range(len(shape)))
    return Grid(
        path=path,
        dtype=str(expected.dtype),
        shape=shape,
        plane=f"[{named}]",
        block=block,
        unit="budgets" if budget is not None else "absolute",
        worst=worst,
        worst_cell=None if worst is None else _cell_of(worst, axes, block),
        expected=_cells(left, chosen),
        got=_cells(right, chosen),
        error=_cells(off, chosen),
        text=text,
    )


def _axes(shape: Sequence[int]) -> tuple[int, ...]:
    """The two axes that show most: the longest, of equals the last."""
    by_length = sorted(range(len(shape)), key=lambda axis: (shape[axis], axis))
    return tuple(sorted(by_length[-2:]))


def _plane(part: AnyArray) -> AnyArray:
    """The same in two dimensions and in double precision."""
    return widened(part if part.ndim == 2 else part.reshape(1, -1))


def _error(left: AnyArray, right: AnyArray) -> AnyArray:
    """How far apart they are; infinite where NaN or infinities do not match."""
    with np.errstate(all="ignore"):
        alike = (left == right) | (np.isnan(left) & np.isnan(right))
        both = np.isfinite(left) & np.isfinite(right)
        return np.where(alike, 0.0, np.where(both, deviation(left, right), np.inf))


def _in_budgets(off: AnyArray, unit: AnyArray) -> AnyArray:
    with np.errstate(all="ignore"):
        return np.where(off == 0, 0.0, np.where(unit > 0, off / unit, np.inf))


def _furthest(off: AnyArray, block: tuple[int, int]) -> list[list[tuple[int, int]]]:
    """For each cell the element of its block that is furthest off."""
    rows, columns = off.shape
    chosen = []
    for top in range(0, rows, block[0]):
        line = []
        for first in range(0, columns, block[1]):
            part = off[top : top + block[0], first : first + block[1]]
            row, column = np.unravel_index(int(np.argmax(part)), part.shape)
            line.append((top + int(row), first + int(column)))
        chosen.append(line)
    return chosen


def _cells(plane: AnyArray, chosen: list[list[tuple[int, int]]]) -> tuple[tuple[Cell, ...], ...]:
    """The chosen elements; complex ones by modulus."""
    shown = np.abs(plane) if plane.dtype.kind == "c" else plane
    return tuple(tuple(_cell(float(shown[at])) for at in line) for line in chosen)


def _cell(value: float) -> Cell:
    """Four significant digits; what is not finite as a text."""
    return float(f"{value:.4g}") if math.isfinite(value) else str(value)


def _cell_of(
    worst: tuple[int, ...], axes: tuple[int, ...], block: tuple[int, int]
) -> tuple[int, int]:
    inside = [worst[axis] for axis in axes]
    row, column = inside if len(inside) == 2 else (0, *(inside or [0]))
    return row // block[0], column // block[1]

"""A picture's worth of an output: expected, got and error in a small grid, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

#: A number as plain JSON has it: what is not finite is a text.
Cell = float | str


@dataclass(frozen=True)
class Grid:
    """One plane of an output of ``shape``, through its worst element.

    ``plane`` tells which, as an index expression (``[1, :, :, 0]``). Each cell stands for
    ``block`` (rows, columns) elements and shows the one of them that is furthest off. Errors are
    in error budgets where ``unit`` is ``budgets``, else in units of the output. ``text`` is what
    the comparison says of the whole output.
    """

    path: str
    dtype: str
    shape: tuple[int, ...]
    plane: str
    block: tuple[int, ...]
    unit: str
    worst: tuple[int, ...] | None
    worst_cell: tuple[int, ...] | None
    expected: tuple[tuple[Cell, ...], ...]
    got: tuple[tuple[Cell, ...], ...]
    error: tuple[tuple[Cell, ...], ...]
    text: str

"""Grids of numbers as small PNG pictures, for pages that load nothing."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_ckptcompat.grids import Cell, Grid

    Colour = tuple[int, int, int]

#: From low to high: values, told apart in light and dark and by the colour-blind.
_VALUES: tuple[Colour, ...] = (
    (68, 1, 84),
    (59, 82, 139),
    (33, 145, 140),
    (94, 201, 98),
    (253, 231, 37),
)
#: From none to far off: errors.
_ERRORS: tuple[Colour, ...] = (
    (247, 247, 247),
    (253, 219, 199),
    (244, 165, 130),
    (214, 96, 77),
    (103, 0, 31),
)
#: What is not a number, and what is infinitely far off.
_NAN: Colour = (128, 128, 128)
_INFINITE: Colour = (0, 0, 0)

#: Errors are on a logarithmic scale of so many decades at most, down from the largest.
_DECADES = 6


def pictures(grid: Grid) -> dict[str, str]:
    """``expected`` and ``got`` on one scale, and ``error``, as addresses of images."""
    numbers = [v for row in (*grid.expected, *grid.got) for v in row if not isinstance(v, str)]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 0.0)

    def value(cell: Cell) -> Colour:
        if isinstance(cell, str):
            return _NAN if cell == "nan" else _VALUES[0 if cell.startswith("-") else -1]
        return _mixed(_VALUES, (cell - low) / (high - low) if high > low else 0.5)

    scale = _scale(grid.error)

    def error(cell: Cell) -> Colour:
        return _INFINITE if isinstance(cell, str) else _mixed(_ERRORS, scale(cell))

    return {
        "expected": _address(grid.expected, value),
        "got": _address(grid.got, value),
        "error": _address(grid.error, error),
    }


def _scale(rows: Sequence[Sequence[Cell]]) -> Callable[[float], float]:
    """From 0 for no error to 1 for the largest, by its logarithm."""
    found = [cell for row in rows for cell in row if not isinstance(cell, str) and cell > 0]
    if not found:
        return lambda _: 0.0
    top = math.log10(max(found))
    bottom = max(math.log10(min(found)) - 0.5, top - _DECADES)
    return lambda cell: (math.log10(cell) - bottom) / (top - bottom) if cell > 0 else 0.0


def _mixed(colours: Sequence[Colour], share: float) -> Colour:
    at = min(max(share, 0.0), 1.0) * (len(colours) - 1)
    first = min(int(at), len(colours) - 2)
    left, right, part = colours[first], colours[first + 1], at - first
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(left, right, strict=True))
    return red, green, blue


def _address(rows: Sequence[Sequence[Cell]], colour: Callable[[Cell], Colour]) -> str:
    data = png([[colour(cell) for cell in row] for row in rows])
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def png(rows: Sequence[Iterable[Colour]]) -> bytes:
    """A picture of that many rows and columns of pixels."""
    lines = [b"\0" + bytes(part for colour in row for part in colour) for row in rows]
    width, height = (len(lines[0]) - 1) // 3, len(lines)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(lines), 9)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)

"""How the data of a dataset are laid out, and the filters that compressed them."""

from __future__ import annotations

import bz2
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_ckptcompat.formats.jld2.cursor import Cursor, damaged, unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFLATE, _SHUFFLE, _BZIP2 = 1, 2, 307
_MAX_FILTERS = 8
_FILTER_NAMES = {3: "fletcher32", 4: "szip", 32001: "Blosc", 32004: "LZ4", 32015: "Zstandard"}


@dataclass(frozen=True)
class Layout:
    """Data that stand in the header (``compact``), or ``size`` bytes at an address; ``chunk``
    has the axes of the one chunk, then the size of an element, where the data are chunked.
    """

    compact: memoryview | None = None
    address: int = 0
    size: int | None = None
    chunk: tuple[int, ...] = ()
    skipped_filters: int = 0


def read_layout(cursor: Cursor) -> Layout:
    start = cursor.at
    version, kind = cursor.uint(1), cursor.uint(1)
    if version not in (3, 4) or kind > 2:
        raise unsupported(f"a data layout of version {version}, class {kind}", start)
    if kind == 0:
        return Layout(compact=cursor.take(cursor.uint(2)))
    if kind == 1:
        return Layout(address=cursor.uint(8), size=cursor.uint(8))
    if version == 3:
        raise unsupported("data in chunks that a B-tree lists", start)
    flags, rank, width = cursor.uint(1), cursor.uint(1), cursor.uint(1)
    chunk = tuple(cursor.uint(width) for _ in range(rank))
    if cursor.uint(1) != 1:
        raise unsupported("data in more than one chunk", start)
    size, skipped = (cursor.uint(8), cursor.uint(4)) if flags & 2 else (None, 0)
    return Layout(address=cursor.uint(8), size=size, chunk=chunk, skipped_filters=skipped)


def read_filters(cursor: Cursor) -> tuple[tuple[int, int], ...]:
    """The number and the first parameter of each filter, in the order of writing."""
    start = cursor.at
    version, count = cursor.uint(1), cursor.uint(1)
    if version != 2 or count > _MAX_FILTERS:
        raise unsupported(f"a pipeline of {count} filters, version {version}", start)
    filters = []
    for _ in range(count):
        number = cursor.uint(2)
        name_size = cursor.uint(2) if number >= 256 else 0
        cursor.take(2)
        parameters = cursor.uint(2)
        cursor.take(name_size)
        values = [cursor.uint(4) for _ in range(parameters)]
        filters.append((number, values[0] if values else 0))
    return tuple(filters)


def unfilter(
    data: memoryview, filters: Sequence[tuple[int, int]], layout: Layout, size: int, at: int
) -> memoryview:
    """The ``size`` bytes that a chunk has without its filters."""
    for index, (number, parameter) in reversed(list(enumerate(filters))):
        if layout.skipped_filters >> index & 1:
            continue
        if number == _SHUFFLE:
            data = _unshuffle(data, parameter)
        elif number in (_DEFLATE, _BZIP2):
            data = _inflate(data, number, size, at)
        else:
            name = _FILTER_NAMES.get(number, f"number {number}")
            raise unsupported(f"data compressed with the filter {name}", at)
    if len(data) != size:
        raise damaged(f"compressed data have {len(data)} bytes instead of {size}", at)
    return data


def _inflate(data: memoryview, number: int, size: int, at: int) -> memoryview:
    try:
        if number == _DEFLATE:
            inflated = zlib.decompressobj().decompress(data, size + 1)
        else:
            inflated = bz2.BZ2Decompressor().decompress(data, size + 1)
    except (zlib.error, OSError, ValueError) as error:
        raise damaged(f"compressed data do not decompress: {error}", at) from None
    return memoryview(inflated)


def _unshuffle(data: memoryview, width: int) -> memoryview:
    """Bytes that were grouped by their significance, put together again."""
    if width < 2:
        return data
    count = len(data) // width
    planes = np.frombuffer(data[: count * width], np.uint8).reshape(width, count)
    return memoryview(planes.T.tobytes() + bytes(data[count * width :]))

"""Reads JLD2, the file format in which Julia programs keep their data.

A JLD2 file is an HDF5 file, but what makes a value a NamedTuple, a Symbol or ``nothing``
stands in descriptions of Julia types that HDF5 libraries cannot read; fields that take no
space (``()``, ``nothing``, functions) stand nowhere else. So this reader works on the bytes,
by the HDF5 File Format Specification, version 3.0, as far as JLD2 makes use of it. No native
library sees the file, which is what makes reading a stranger's file safe.

``container`` knows HDF5's structures, ``datatypes`` its descriptions of types, ``types``
JLD2's descriptions of Julia types, ``values`` the data.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from pytest_ckptcompat.formats import FormatError
from pytest_ckptcompat.formats.jld2.container import Container
from pytest_ckptcompat.formats.jld2.values import Values

__all__ = ["read"]


def read(path: os.PathLike[str] | str, *, limit: int = 2**31) -> dict[str, Any]:
    """The values that stand under the top-level names of a JLD2 file, as plain Python.

    ========================  ==================================================================
    Julia                     Python
    ========================  ==================================================================
    Array of numbers, Bool    NumPy array of the same axes: Julia's ``x[i, j]`` is ``x[i-1, j-1]``
    Array of anything else    list; nested lists for more than one axis
    Int64, Float64, Bool      int, float, bool
    ComplexF64, Int128        complex, int
    other numbers             NumPy scalar
    String, Char              str
    NamedTuple, struct        dict of its fields, in order
    Tuple, Pair               tuple
    Dict, group               dict; Symbols among the keys become str
    nothing                   None
    Symbol, function, type    ``Name`` of kind ``symbol``, ``function``, ``type``
    other empty struct        ``Name`` of kind ``object``
    ========================  ==================================================================

    An array that is referred to twice comes out as one object. JLD2 before 0.5 did not record
    the fields of a struct that take no space: they are missing from its dict. (NamedTuples and
    Tuples are complete in any version.)

    ``limit`` bounds, in bytes, the file and the data made from it.

    Raises FormatError for a file that is not JLD2, is damaged, is over the limit, or holds
    what this reader does not know; OSError for one that cannot be opened.
    """
    data = _content(Path(path), limit)
    values: Values | None = None
    try:
        values = Values(Container(data), limit)
        return values.top()
    except FormatError as error:
        where = f", at {'/'.join(values.where)}" if values and values.where else ""
        raise FormatError(f"{os.fspath(path)}{where}: {error}") from None
    except RecursionError:
        raise FormatError(
            f"{os.fspath(path)}: its data are nested too deep: save them in a flatter form"
        ) from None
    except MemoryError:
        raise FormatError(
            f"{os.fspath(path)}: its data do not fit into memory; give a lower limit, "
            f"or read it on a larger machine"
        ) from None


def _content(path: Path, limit: int) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FormatError(f"{path} is not a regular file: give the path of a JLD2 file")
    if status.st_size > limit:
        raise FormatError(
            f"{path} has {status.st_size} bytes, over the limit of {limit}: raise the limit if "
            f"you trust the file"
        )
    with path.open("rb") as file:
        return file.read(limit)

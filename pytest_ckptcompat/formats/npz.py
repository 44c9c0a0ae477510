"""NumPy's .npz: arrays by name. Nothing is unpickled, and no more is read than is there."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.formats import FormatError

if TYPE_CHECKING:
    from pathlib import Path

_ENDING = ".npy"
#: Bytes that the arrays of a file have at most, together.
LIMIT = 2**34


def read(path: Path) -> dict[str, Any]:
    """The arrays of a file, in its order. Raises FormatError."""
    try:
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
            size = sum(info.file_size for info in members)
            found = {
                info.filename.removesuffix(_ENDING): _array(file.read(info))
                for info in (members if size <= LIMIT else ())
            }
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError, RuntimeError) as error:
        raise FormatError(f"{path} is no .npz file of plain arrays: {error}") from error
    if size > LIMIT:
        raise FormatError(f"{path} holds more than {LIMIT} bytes")
    return found


def _array(content: bytes) -> np.ndarray[Any, Any]:
    """An array whose header asks for no more than follows it. Raises ValueError."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"its .npy version {version} is not known")
    one = np.lib.format.read_array_header_1_0
    # A header of version 3.0 is one of 2.0 in UTF-8, which names of fields alone need.
    header = one if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    if dtype.hasobject:
        raise ValueError("an array of objects would have to be unpickled")
    size = dtype.itemsize
    for length in shape:
        size *= length
    if size != len(content) - file.tell():
        raise ValueError(f"{size} bytes are announced, {len(content) - file.tell()} are there")
    file.seek(0)
    array: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array

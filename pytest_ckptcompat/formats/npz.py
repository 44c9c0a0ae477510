"""NumPy's .npz: arrays by name. Nothing is unpickled, and no more is read than is there."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

from pytest_ckptcompat import npy
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
                info.filename.removesuffix(_ENDING): npy.array_of(file.read(info))
                for info in (members if size <= LIMIT else ())
            }
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError, RuntimeError) as error:
        raise FormatError(f"{path} is no .npz file of plain arrays: {error}") from error
    if size > LIMIT:
        raise FormatError(f"{path} holds more than {LIMIT} bytes")
    return found

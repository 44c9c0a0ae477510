"""NumPy's .npy format, read so that nothing is unpickled and no more is allocated than is there.

Written for Python 3.8 with NumPy 1.17 alone: the recorder takes this file into old environments.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    # One of 2.0 in UTF-8, which names of fields alone need.
    (3, 0): np.lib.format.read_array_header_2_0,
}


def array_of(content: bytes) -> np.ndarray[Any, Any]:
    """The array in an .npy file, whose header asks for no more than follows it.

    Raises ValueError.
    """
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its .npy version {version} is not known")
    shape, _, dtype = _HEADERS[version](file)
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

"""Hugging Face's .safetensors: arrays by name, read by the library of that name."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.formats import FormatError
from pytest_ckptcompat.state import StateError, as_dtype

if TYPE_CHECKING:
    from pathlib import Path

#: What the format calls dtypes, in NumPy's and ml_dtypes' words.
_DTYPES = {
    "BOOL": "bool",
    **{
        f"{kind}{bits}": f"{name}{bits}"
        for kind, name in (("I", "int"), ("U", "uint"))
        for bits in (8, 16, 32, 64)
    },
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


def read(path: Path) -> dict[str, Any]:
    """The arrays of a file, in its order. Raises FormatError."""
    try:
        library: Any = importlib.import_module("safetensors")
    except ImportError as error:
        raise FormatError(
            f"{path} needs safetensors, which is not installed: pip install safetensors"
        ) from error
    try:
        content = path.read_bytes()
        parts = dict(library.deserialize(content))
    except (OSError, library.SafetensorError) as error:
        raise FormatError(f"{path} is no .safetensors file: {error}") from error
    found = {}
    for name in _names(content):
        part = parts[name]
        if part["dtype"] not in _DTYPES:
            raise FormatError(f"{path}: {name} is of dtype {part['dtype']}, which is not known")
        try:
            dtype = as_dtype(_DTYPES[part["dtype"]])
        except StateError as error:
            raise FormatError(f"{path}: {name}: {error}") from error
        found[name] = np.frombuffer(part["data"], dtype).reshape(part["shape"])
    return found


def _names(content: bytes) -> list[str]:
    """The names of a file that the library has read, in the file's order: the library has none."""
    size = int.from_bytes(content[:8], "little")
    return [name for name in json.loads(content[8 : 8 + size]) if name != "__metadata__"]

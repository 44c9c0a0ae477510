"""What the recorder hands over: arrays in an .npz file, everything else in JSON beside it.

The JSON file is put into place at last, so a recipe that has one is whole. Reading is hardened:
nothing is unpickled, and nothing is allocated that the file does not hold.

Written for Python 3.8 with NumPy alone: the recorder takes this file into old environments.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat import npy
from pytest_ckptcompat.budget import Budget
from pytest_ckptcompat.names import file_name, is_plain
from pytest_ckptcompat.recording.maker import Recorded
from pytest_ckptcompat.state import StateError, as_dtype, decode, encode

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
_SECTIONS = ("state", "inputs", "outputs")
_USER_DTYPE = 256  # NumPy numbers the dtypes of other packages from here
#: Bytes that a JSON file has at most.
_LONGEST = 2**28


class PackedError(Exception):
    """What the recorder left cannot be read; the sentence says why."""


def write(folder: Path, recorded: Recorded, module: str) -> None:
    """Put what was recorded of a recipe in a test file into a folder."""
    stem = file_name(recorded.recipe)
    data: dict[str, Any] = {"format": FORMAT, "recipe": recorded.recipe, "module": module}
    arrays: dict[str, Any] = {}
    for section in _SECTIONS:
        data[section], own = encode(getattr(recorded, section), section + "/")
        arrays.update(own)
    data["budgets"] = {}
    for where, budget in recorded.budgets.items():
        name = "budget/" + (where or "%")
        data["budgets"][where] = {"codes": name, "scale": budget.scale}
        arrays[name] = budget.codes
    stored, data["arrays"] = {}, {}
    for number, (name, array) in enumerate(arrays.items()):
        dtype = array.dtype.newbyteorder("=")
        data["arrays"][name] = {"key": str(number), "dtype": dtype.name, "shape": array.shape}
        stored[str(number)] = _bits(np.asarray(array.astype(dtype, copy=False), order="C"))
    packed = io.BytesIO()
    np.savez(packed, **stored)
    data["npz"] = hashlib.sha256(packed.getvalue()).hexdigest()
    data["files"] = {}
    for route, (path, suffix) in recorded.files.items():
        if path.parent != folder:
            shutil.copyfile(str(path), str(folder / path.name))
        data["files"][route] = {"file": path.name, "suffix": suffix}
    for part in ("facts", "routes", "refused", "unloaded", "untied"):
        data[part] = getattr(recorded, part)
    replace(folder / (stem + ".npz"), packed.getvalue())
    write_json(folder / (stem + ".json"), data)


def _bits(array: Any) -> Any:
    """The array, or its bits where NumPy alone does not know the dtype."""
    return array if array.dtype.num < _USER_DTYPE else array.view("u%d" % array.dtype.itemsize)  # noqa: UP031


def write_json(path: Path, data: Any) -> None:
    # A lone surrogate has no UTF-8; as an escape it is still good JSON.
    replace(path, json.dumps(data, indent=1).encode("ascii"))


def replace(path: Path, content: bytes) -> None:
    """Put a file into place whole."""
    partial = path.with_name(path.name + ".tmp")
    partial.write_bytes(content)
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of bounded size. Raises PackedError."""
    try:
        if path.stat().st_size > _LONGEST:
            raise PackedError(f"{path} is larger than {_LONGEST} bytes")
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise PackedError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise PackedError(f"{path} is not what a recorder of this version writes")
    return data


def read(path: Path) -> Recorded:
    """What was recorded, from its JSON file. Raises PackedError."""
    data = read_json(path)
    try:
        return _Reader(path, data).recorded()
    except (StateError, ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise PackedError(
            f"{path} cannot be understood ({type(error).__name__}: {error})"
        ) from error


class _Reader:
    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self._path = path
        self._data = data
        content = path.with_suffix(".npz").read_bytes()
        if hashlib.sha256(content).hexdigest() != data["npz"]:
            raise PackedError(f"{path.with_suffix('.npz')} is not the file that was recorded")
        self._content = zipfile.ZipFile(io.BytesIO(content))

    def recorded(self) -> Recorded:
        data = self._data
        state, inputs, outputs = (decode(data[section], self._fetch) for section in _SECTIONS)
        budgets = {
            str(where): Budget(self._fetch(item["codes"]), float(item["scale"]))
            for where, item in data["budgets"].items()
        }
        return Recorded(
            str(data["recipe"]),
            state,
            inputs,
            outputs,
            budgets,
            dict(data["facts"]),
            routes=_texts(data["routes"]),
            refused={str(route): str(why) for route, why in data["refused"].items()},
            files={str(route): self._file(item) for route, item in data["files"].items()},
            unloaded=_texts(data["unloaded"]),
            untied=_texts(data["untied"]),
        )

    def _file(self, item: Any) -> tuple[Path, str]:
        if not is_plain(item["file"]) or not isinstance(item["suffix"], str):
            raise ValueError(f"{item['file']!r} is not the name of a native file")
        path = self._path.with_name(item["file"])
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"{path} is missing or not a file")
        return path, item["suffix"]

    def _fetch(self, name: str) -> Any:
        item = self._data["arrays"][name]
        info = self._content.getinfo(f"{int(item['key'])}.npy")
        # What is stored as it is cannot be larger than the file.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ValueError(f"{name} is compressed")
        with self._content.open(info) as member:
            array = npy.array_of(member.read())
        dtype = as_dtype(item["dtype"])
        array = array if dtype.num < _USER_DTYPE else array.view(dtype)
        if array.dtype.name != dtype.name or list(array.shape) != item["shape"]:
            raise ValueError(f"{name} is {array.dtype.name}{list(array.shape)}")
        return array


def _texts(items: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in items)

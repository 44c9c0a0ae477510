"""One golden on disk: an HDF5 file of plain datasets and a JSON text of what they are.

``/state/…``, ``/inputs/…``, ``/outputs/…`` and ``/budget/…`` hold one dataset for each array,
``/tree`` the structure, every static value, and the dtype and shape of each dataset. Nothing
else of HDF5 is used, and nothing else is accepted when a golden is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np
from h5py import h5d, h5g, h5o, h5p, h5s, h5t

from pytest_ckptcompat.budget import Budget
from pytest_ckptcompat.digests import (
    changed_sentence,
    digest,
    is_lfs_pointer,
    lfs_sentence,
    restore,
)
from pytest_ckptcompat.state import (
    MAX_DEPTH,
    StateError,
    Tree,
    as_dtype,
    decode,
    encode,
    format_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: A file of more bytes stays where it is while it is checked.
STREAMED = 64 * 2**20
#: An array of so many bytes in such a file lies there, and is not read into memory as a whole.
_LARGE = 2**20
#: What tells a golden from other files stands in so many bytes.
_HEAD = 512

#: The format of the HDF5 file. Readers refuse later ones.
FORMAT = 1

AnyArray = np.ndarray[Any, Any]

_SECTIONS = ("state", "inputs", "outputs")
_TREE = "tree"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# An object header holds less than 64 KiB; a little of it is taken by the other messages.
_COMPACT = 60_000
_DTYPE_NAME = re.compile(r"[a-z][a-z0-9_]*(\[[0-9A-Za-z]+\])?")
# What h5py, NumPy and a /tree of the wrong build raise for a file that is broken.
_BROKEN = (
    *(OSError, RuntimeError, ValueError, LookupError, TypeError),
    *(ArithmeticError, AttributeError, MemoryError),
)


class GoldenError(Exception):
    """A golden that cannot be written or read; the sentence has the file and what to do."""


@dataclass(frozen=True, eq=False)
class Golden:
    """What one release recorded for one recipe.

    ``inputs`` is the tree of ``{"args": (...), "kwargs": {...}}``. ``budgets`` are by the
    formatted path of an output array; none means that they were not measured. ``facts`` is
    small JSON: dicts with string keys, lists, strings, finite numbers, booleans and None.
    """

    recipe: str
    state: Tree
    inputs: Tree
    outputs: Tree
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def write(path: Path, golden: Golden) -> None:
    """Write a golden to exactly this path. Equal goldens give identical bytes.

    Arrays become little-endian and C-ordered. Raises GoldenError for what cannot be kept (a
    long double, facts that are not JSON) and OSError.
    """
    _write(path, path, golden)


def to_bytes(path: Path, golden: Golden) -> bytes:
    """A golden as ``write`` would write it; the path is for messages. Raises GoldenError."""
    buffer = io.BytesIO()
    _write(buffer, path, golden)
    return buffer.getvalue()


def _write(target: Path | io.BytesIO, path: Path, golden: Golden) -> None:
    payload, arrays = _take_apart(path, golden)
    text = _as_text(path, payload)
    try:
        with h5py.File(target, "w", libver=("earliest", "latest"), locking=False) as file:
            _write_dataset(file, _TREE, np.array(text, h5py.string_dtype("utf-8", len(text))))
            for name, array in arrays.items():
                _write_dataset(file, name, array)
    except (ValueError, TypeError, RuntimeError) as error:
        raise GoldenError(f"{path}: {golden.recipe} cannot be kept in HDF5: {error}") from error


def _take_apart(path: Path, golden: Golden) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """What /tree says, and every array as it is stored, by the name of its dataset."""
    payload: dict[str, Any] = {"format": FORMAT, "recipe": golden.recipe}
    arrays: dict[str, AnyArray] = {}
    for section in _SECTIONS:
        try:
            payload[section], own = encode(getattr(golden, section), f"{section}/")
        except StateError as error:
            raise GoldenError(f"{path}: the {section} of {golden.recipe}: {error}") from error
        arrays.update(own)
    payload["budgets"] = {}
    for where, budget in sorted(golden.budgets.items()):
        name = f"budget/{where or '%'}"
        payload["budgets"][where] = {"codes": name, "scale": budget.scale}
        arrays[name] = budget.codes
    _check_budgets(path, golden.budgets, golden.outputs)
    stored = {}
    payload["arrays"] = {}
    for name, array in arrays.items():
        dtype = array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")
        payload["arrays"][name] = {"dtype": dtype.name, "shape": list(array.shape)}
        stored[name] = _as_stored(array.astype(dtype, copy=False), f"{path}: {name}")
        outer = next((p for p in _parents(name) if p in arrays), None)
        if outer is not None:
            raise GoldenError(f"{path}: {outer} cannot hold an array and {name}: rename a key")
    payload["facts"] = dict(golden.facts)
    return payload, stored


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _as_text(path: Path, payload: dict[str, Any]) -> bytes:
    try:
        facts = json.loads(json.dumps(payload["facts"], sort_keys=True, allow_nan=False))
        same = facts == payload["facts"]  # not if it has a tuple, or a key that is no string
        payload = {**payload, "facts": facts}
        # A lone surrogate has no UTF-8; as an escape it is still good JSON.
        text = json.dumps(payload, ensure_ascii=False, allow_nan=False, indent=1)
        whole = text.encode("utf-8", "backslashreplace")
        same = same and json.loads(whole) == payload
    except (ValueError, TypeError, RecursionError) as error:
        raise GoldenError(
            f"{path}: {payload['recipe']} cannot be put into JSON: {error}"
        ) from error
    if not same:
        raise GoldenError(f"{path}: {payload['recipe']} has facts or text that JSON cannot keep")
    return whole


def _storage(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The dtype that HDF5 gets, of the same bits; None where a golden keeps no such array."""
    if dtype.kind in "mM":
        return np.dtype("<i8")
    if dtype.hasobject or dtype.subdtype is not None or dtype.names is not None:
        return None
    if dtype.isbuiltin == 2:  # registered with NumPy by another package: ml_dtypes
        return np.dtype(f"<u{dtype.itemsize}") if dtype.itemsize in (1, 2, 4, 8) else None
    sizes = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)}
    return dtype.newbyteorder("<") if dtype.itemsize in sizes.get(dtype.kind, ()) else None


def _as_stored(array: AnyArray, where: str) -> AnyArray:
    storage = _storage(array.dtype)
    if storage is None:
        raise GoldenError(
            f"{where} is of dtype {array.dtype}, which not every machine has alike: a golden keeps "
            f"numbers of up to 64 bits (128 if complex), so convert it, to float64 for instance"
        )
    whole = np.asarray(array, order="C")
    same = storage.kind == whole.dtype.kind and whole.dtype.isbuiltin != 2
    return whole.astype(storage, copy=False) if same else whole.view(storage)


def _write_dataset(file: h5py.File, name: str, array: AnyArray) -> None:
    links = h5p.create(h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    layout = h5p.create(h5p.DATASET_CREATE)
    layout.set_obj_track_times(False)
    layout.set_layout(h5d.COMPACT if 0 < array.nbytes <= _COMPACT else h5d.CONTIGUOUS)
    kind = h5t.py_create(array.dtype, logical=True)
    space = h5s.create_simple(array.shape) if array.ndim else h5s.create(h5s.SCALAR)
    dataset = h5d.create(file.id, name.encode(), kind, space, layout, links)
    if array.size:
        dataset.write(h5s.ALL, h5s.ALL, array)


def read(path: Path, *, sha256: str | None, limit: int = 2**34) -> Golden:
    """Read a golden of at most ``limit`` bytes; if it has the digest, where one is given.

    The file is read once, and HDF5 gets those very bytes, after their digest was found right; a
    file of more than ``STREAMED`` bytes stays where it is, and its large arrays lie in it. Raises
    GoldenError for a file that is missing, not a golden, damaged, of a later format, or uses
    anything of HDF5 beyond plain datasets. Memory: at most twice ``STREAMED``.
    """
    if path.is_file() and STREAMED < path.stat().st_size <= limit:
        return _in_place(path, sha256)
    return from_bytes(path, _contents(path, limit), sha256)


def _in_place(path: Path, sha256: str | None) -> Golden:
    """The golden of a file that is too large to hold in memory. Raises as ``read`` does."""
    with _opened(path) as raw:
        _check_head(path, raw.read(_HEAD), None)
        if sha256 is not None and digest(path) != sha256:
            raise GoldenError(changed_sentence(path))
        size = raw.seek(0, io.SEEK_END)
        with _told(path), h5py.File(raw, "r") as file:
            return _Reader(path, file, size, in_place=True).golden()


def from_bytes(path: Path, data: bytes, sha256: str | None = None) -> Golden:
    """The golden of these bytes, which the file of that path holds. Raises as ``read`` does."""
    _check_head(path, data, sha256)
    with _told(path), h5py.File(io.BytesIO(data), "r") as file:
        return _Reader(path, file, len(data)).golden()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What reading a broken file raises, as a GoldenError."""
    try:
        yield
    except _BROKEN as error:
        if isinstance(error, StateError):
            raise GoldenError(f"{path} cannot be understood: {error}") from error
        raise GoldenError(
            f"{path} is damaged ({type(error).__name__}: {error}): {restore(path)}"
        ) from error


def _contents(path: Path, limit: int) -> bytes:
    if not path.is_file():
        raise GoldenError(f"{path} is missing or not a file: {restore(path)}")
    with _opened(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise GoldenError(f"{path} is larger than {limit} bytes, which is the limit for a golden")
    return data


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise GoldenError(f"{path} cannot be read: {error.strerror or error}") from error


def _check_head(path: Path, data: bytes, sha256: str | None) -> None:
    if not data:
        raise GoldenError(f"{path} is empty: {restore(path)}")
    if is_lfs_pointer(data):
        raise GoldenError(lfs_sentence(path))
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise GoldenError(changed_sentence(path))
    if not data.startswith(_SIGNATURE):
        raise GoldenError(f"{path} is not an HDF5 file: {restore(path)}")
    # Version 0 is what a golden is written with; later ones can ask HDF5 for much more.
    if data[len(_SIGNATURE) :][:1] != b"\0":
        raise GoldenError(
            f"{path} is HDF5, but not a golden (its superblock is not version 0): {restore(path)}"
        )


class _Reader:
    """The one way to what is in the HDF5 file: nothing is opened or allocated unchecked."""

    def __init__(self, path: Path, file: h5py.File, size: int, *, in_place: bool = False) -> None:
        self._path = path
        self._in_place = in_place
        self._file = file
        self._room = size
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._dtypes: dict[str, np.dtype[Any]] = {}
        self._used: set[str] = set()

    def golden(self) -> Golden:
        payload = self._payload()
        self._check_arrays(payload["arrays"])
        self._check_names()
        trees = {section: decode(payload[section], self._fetch) for section in _SECTIONS}
        budgets = {
            where: Budget(self._fetch(item["codes"]), float(item["scale"]))
            for where, item in payload["budgets"].items()
        }
        _check_budgets(self._path, budgets, trees["outputs"])
        unused = self._shapes.keys() - self._used
        if unused:
            raise self._refusal(f"holds {min(unused)}, which its tree does not use")
        return Golden(payload["recipe"], **trees, budgets=budgets, facts=payload["facts"])

    def _refusal(self, what: str) -> GoldenError:
        return GoldenError(
            f"{self._path} {what}. No golden is written like that: {restore(self._path)}"
        )

    def _payload(self) -> dict[str, Any]:
        root = self._file.id
        if _TREE.encode() not in set(root):
            raise self._refusal(f"has no /{_TREE}")
        dataset = self._open(root, _TREE.encode(), _TREE)
        if not isinstance(dataset, h5d.DatasetID):
            raise self._refusal(f"has a group as /{_TREE}")
        kind = dataset.get_type()
        if not isinstance(kind, h5t.TypeStringID) or kind.is_variable_str():
            raise self._refusal(f"has no text of fixed length as /{_TREE}")
        self._check_dataset(dataset, _TREE, (), kind.get_size())
        text = np.empty((), f"S{kind.get_size()}")
        dataset.read(h5s.ALL, h5s.ALL, text, kind)
        try:
            payload = json.loads(text.tobytes())
        except (ValueError, RecursionError) as error:
            raise self._refusal(f"has a /{_TREE} that is not JSON ({error})") from error
        if not isinstance(payload, dict) or not isinstance(payload.get("format"), int):
            raise self._refusal(f"has no format in /{_TREE}")
        if payload["format"] > FORMAT:
            raise GoldenError(
                f"{self._path} was recorded by a newer pytest-ckptcompat "
                f"(format {payload['format']}); upgrade pytest-ckptcompat"
            )
        for key in ("arrays", "budgets", "facts"):
            if not isinstance(payload.get(key), dict):
                raise self._refusal(f"has no {key} in /{_TREE}")
        if not isinstance(payload.get("recipe"), str) or not payload.keys() >= {*_SECTIONS}:
            raise self._refusal(f"lacks a part of /{_TREE}")
        return payload

    def _check_arrays(self, arrays: dict[str, Any]) -> None:
        for name, item in arrays.items():
            shape, text = item["shape"], item["dtype"]
            if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
                raise self._refusal(f"gives {name} a shape that is none")
            if name.count("/") > MAX_DEPTH + 1:
                raise self._refusal("names a dataset in too many groups")
            dtype = as_dtype(text) if _DTYPE_NAME.fullmatch(text) else None
            if dtype is None or dtype.name != text or _storage(dtype) is None:
                raise self._refusal(f"gives {name} the dtype {text!r:.80}, which a golden has not")
            self._shapes[name] = tuple(shape)
            self._dtypes[name] = dtype

    def _check_names(self) -> None:
        """Every group holds what /tree names, and nothing else."""
        inner: dict[bytes, set[bytes]] = {b"": {_TREE.encode()}}
        for name in self._shapes:
            parts = name.encode("utf-8", "surrogatepass").split(b"/")
            for depth, part in enumerate(parts):
                inner.setdefault(b"/".join(parts[:depth]), set()).add(part)
        for group, expected in sorted(inner.items()):
            shown = group.decode("utf-8", "replace")
            opened = self._descend(group)
            if not isinstance(opened, h5g.GroupID):
                raise self._refusal(f"has no group /{shown}")
            found = set(opened)
            for part in sorted(expected - found):
                raise self._refusal(f"lacks {part.decode('utf-8', 'replace')!r} in /{shown}")
            for part in sorted(found - expected):
                raise self._refusal(
                    f"has {part.decode('utf-8', 'replace')!r} in /{shown}, of which its tree does "
                    f"not know"
                )

    def _descend(self, name: bytes) -> Any:
        found: Any = h5g.open(self._file.id, b"/")
        for part in name.split(b"/") if name else ():
            found = self._open(found, part, name.decode("utf-8", "replace"))
        return found

    def _open(self, group: h5g.GroupID, name: bytes, shown: str) -> Any:
        # Asking for the link follows nothing, opening an object that it names would.
        if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            raise self._refusal(f"has a link at /{shown} that leads elsewhere")
        return h5o.open(group, name)

    def _check_dataset(
        self, dataset: h5d.DatasetID, name: str, shape: tuple[int, ...], itemsize: int
    ) -> None:
        """Raises unless it is plain, of that shape, and all there within this file."""
        plan = dataset.get_create_plist()
        # Without chunks there are no filters either.
        if plan.get_layout() not in (h5d.COMPACT, h5d.CONTIGUOUS):
            raise self._refusal(f"has a chunked or virtual dataset at /{name}")
        if plan.get_external_count():
            raise self._refusal(f"keeps /{name} in another file")
        space = dataset.get_space()
        kind = space.get_simple_extent_type()
        if kind != (h5s.SIMPLE if shape else h5s.SCALAR) or space.shape != shape:
            raise self._refusal(f"has a dataset at /{name} of another shape than its tree says")
        size = itemsize
        for length in shape:
            size *= length
        self._room -= size
        # Datasets may overlap in a file made for it: together they are bounded all the same.
        if self._room < 0 or (size and dataset.get_storage_size() != size):
            raise self._refusal(f"has a dataset at /{name} larger than what is stored of it")

    def _fetch(self, name: str) -> AnyArray:
        if name not in self._shapes or name in self._used:
            raise self._refusal(f"has a tree that uses {name!r:.80}, unknown or used before")
        self._used.add(name)
        shape, dtype = self._shapes[name], self._dtypes[name]
        storage = _storage(dtype)
        assert storage is not None
        dataset = self._descend(name.encode("utf-8", "surrogatepass"))
        kind = h5t.py_create(storage, logical=True)
        if not isinstance(dataset, h5d.DatasetID) or not dataset.get_type().equal(kind):
            raise self._refusal(f"has no dataset of {dtype} at /{name}")
        self._check_dataset(dataset, name, shape, storage.itemsize)
        array = self._mapped(dataset, shape, storage)
        if array is None:
            array = np.empty(shape, storage)
            if array.size:
                dataset.read(h5s.ALL, h5s.ALL, array)
        same = storage.kind == dtype.kind and dtype.isbuiltin != 2
        return array.astype(dtype, copy=False) if same else array.view(dtype)

    def _mapped(
        self, dataset: h5d.DatasetID, shape: tuple[int, ...], storage: np.dtype[Any]
    ) -> AnyArray | None:
        """An array where it lies in the file; None of one that is small, or cannot be had so."""
        offset = dataset.get_offset() if self._in_place else None
        if offset is None or dataset.get_storage_size() < _LARGE or not storage.isnative:
            return None
        if offset % storage.itemsize:
            return None
        return np.memmap(self._path, storage, "r", offset, shape)


def _check_budgets(path: Path, budgets: Mapping[str, Budget], outputs: Tree) -> None:
    shapes = {format_path(where): array.shape for where, array in outputs.arrays().items()}
    for where, budget in budgets.items():
        if shapes.get(where) != budget.codes.shape:
            raise GoldenError(
                f"{path} has an error budget for {where!r}, where no output of its shape is"
            )

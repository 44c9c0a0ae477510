"""Other values: of an array's element, its dtype, and of a static."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.jitter import is_inexact, neighbour, part_dtype
from pytest_ckptcompat.state import Name, Static, Tree

if TYPE_CHECKING:
    AnyArray = np.ndarray[Any, Any]

#: By how much of itself an element is moved: about as far as the jitter of recording moves it.
STEP = 2.0**-3


def drawn_index(array: AnyArray, seed: str) -> tuple[int, ...]:
    """An index into an array that depends on the seed alone; not of a zero where others are."""
    digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        wide = flat.astype(np.complex128) if is_inexact(flat.dtype) else flat.astype(np.float64)
    candidates = np.flatnonzero((wide != 0) & np.isfinite(wide))
    if not candidates.size:
        candidates = np.arange(flat.size)
    at = int(candidates[int.from_bytes(digest[:8], "little") % candidates.size])
    return tuple(int(i) for i in np.unravel_index(at, array.shape))


def with_other_element(array: AnyArray, index: tuple[int, ...]) -> AnyArray:
    """The array with one element moved: by ``STEP`` of itself, or to the next integer."""
    out = np.array(array)
    one = out[index].reshape(1)
    out[index] = _moved(one)[0]
    return out


def _moved(one: AnyArray) -> AnyArray:
    if one.dtype.kind == "b":
        return ~one
    if not is_inexact(one.dtype):
        number = int(one.view(np.int64)[0]) if one.dtype.kind in "mM" else int(one[0])
        for other in (number + 1, number - 1):
            try:
                moved = np.array([other]).astype(one.dtype)
            except OverflowError:
                continue
            if moved[0] != one[0]:
                return moved
        return one
    part = part_dtype(one.dtype)
    values = one.view(part)
    with np.errstate(all="ignore"):
        wide = values.astype(np.float64)
        moved = np.where(wide == 0, STEP, wide * (1 + STEP)).astype(part)
        stuck = (moved == values) | ~np.isfinite(moved.astype(np.float64))
        moved = np.where(stuck, neighbour(values, np.zeros(values.shape, bool)), moved)
    return np.ascontiguousarray(moved).view(one.dtype)


def other_dtype(array: AnyArray) -> np.dtype[Any] | None:
    """A dtype near the array's: half of a float, another width of an integer; None of others.

    Of a float whose values the half cannot hold, the double.
    """
    kind, size = array.dtype.kind, array.dtype.itemsize
    if array.dtype.isbuiltin != 1:  # of ml_dtypes
        return np.dtype(np.float32) if is_inexact(array.dtype) else np.dtype(np.int32)
    if kind == "f":
        if size == 2:
            return np.dtype(np.float32)
        half = np.dtype(np.float16 if size == 4 else np.float32)
        with np.errstate(all="ignore"):
            lost = np.isfinite(array) & ~np.isfinite(array.astype(half))
        return np.dtype(np.float64 if size == 4 else np.longdouble) if lost.any() else half
    if kind == "c":
        return np.dtype(np.complex128 if size == 8 else np.complex64)
    if kind in "iu":
        return np.dtype(f"{kind}{4 if size == 8 else 8}")
    return np.dtype(np.uint8) if kind == "b" else None


def other_static(value: Any) -> Any:
    """Another value of the same type; of a sequence, with its first element replaced.

    What holds nothing (None, an empty sequence) becomes something.
    """
    if value is None:
        return 1
    if isinstance(value, bool):
        return not value
    if isinstance(value, np.generic):
        return _moved(np.array([value]))[0]
    if isinstance(value, int):
        return value + 1
    if isinstance(value, (float, complex)):
        return value * 2 if np.isfinite(value) and value else value.__class__(1)
    if isinstance(value, str):
        return f"{value}_other"
    if isinstance(value, bytes):
        return value + b"_other"
    if isinstance(value, (tuple, list)):
        first = (other_static(value[0]), *value[1:]) if value else (0,)
        return type(value)(first)
    assert isinstance(value, Name)
    return _other_name(value)


def _other_name(name: Name) -> Name:
    """Something else of the kind that can be found by its name, so that a layer could have it."""
    known = {"function": ("builtins:abs", "builtins:round"), "type": ("builtins:int",)}
    if name.kind == "enum":
        member = Tree(Static(name)).plain()
        for other in type(member) if not isinstance(member, Name) else ():
            if other is not member:
                return Name("enum", f"{name.text.rpartition('.')[0]}.{other.name}")
    if name.kind == "dtype":
        return Name("dtype", "float16" if name.text != "float16" else "float32")
    return next(
        (Name(name.kind, text) for text in known.get(name.kind, ()) if text != name.text),
        Name(name.kind, f"{name.text}_other"),
    )

"""Perturbations of a state and deterministic inputs.

``jitter`` makes a fresh layer's arrays unlike what any fresh layer has; ``nudge`` moves values
by one ulp to measure an error budget; ``draw`` makes inputs.

Written for Python 3.8 with NumPy 1.17 alone: the recorder takes this file into old environments.
"""

from __future__ import annotations

import hashlib
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    AnyArray = np.ndarray[Any, Any]

#: Elements worked on at a time, which bounds the extra memory.
BLOCK = 2**20

#: NumPy numbers the dtypes of other packages, such as ml_dtypes, from here.
_USER_DTYPE = 256

#: Relative size of the jitter, in 1/65536: from 5 % to 15 %.
_LEAST, _SPAN = 3277, 6553


def is_inexact(dtype: np.dtype[Any]) -> bool:
    """Whether values of that dtype are rounded: floating and complex, those of ml_dtypes too."""
    if dtype.num < _USER_DTYPE:
        return dtype.kind in "fc"
    return "float" in dtype.name or "complex" in dtype.name


def part_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a complex dtype's real part; any other dtype itself."""
    if dtype.num < _USER_DTYPE:
        return np.empty(0, dtype).real.dtype
    if dtype.name == "complex32":
        return np.dtype(np.float16)
    if dtype.name == "bcomplex32":
        bfloat16: np.dtype[Any] = np.dtype(sys.modules[dtype.type.__module__].bfloat16)
        return bfloat16
    return dtype


def blocks(*arrays: AnyArray) -> Iterator[tuple[AnyArray, ...]]:
    """Arrays of one size, side by side in C order, as 1-d blocks in native byte order."""
    flats = [
        (a.reshape(-1) if a.flags.c_contiguous else a.flat, a.dtype.newbyteorder("="))
        for a in arrays
    ]
    for start in range(0, arrays[0].size, BLOCK):
        yield tuple(
            np.ascontiguousarray(flat[start : start + BLOCK]).astype(native, copy=False)
            for flat, native in flats
        )


def jitter(a: AnyArray, seed: str) -> AnyArray:
    """A copy of ``a``, every floating or complex value moved by 5 to 15 %.

    Deterministic in ``seed``, dtype and shape, the same under every NumPy version. Signs are
    kept; a zero of either sign becomes a positive number from 0.05 to 0.15; NaN and infinities
    stay. Where a dtype is too coarse for 15 %, a value moves to its neighbour, so that its bits
    always differ. The parts of a complex number are moved separately. Integers, booleans and
    everything else are returned as they are.
    """
    return _perturbed(a, seed, _jittered)


def jitter_exact(a: AnyArray, seed: str) -> AnyArray:
    """Like ``jitter``, but every finite value becomes an integer from 1 to 4, its sign kept.

    Sums of products of such numbers are exact, in any order. The integer is never the value
    that ``a`` had there.
    """
    return _perturbed(a, seed, _to_integers)


def jitter_counter(a: AnyArray, seed: str) -> AnyArray:
    """A 0-d integer array of zero as 1, 2 or 3 of its dtype, deterministic in ``seed``.

    So stands a counter in a fresh layer; a size or a bound is not zero. Every other array is
    returned as it is.
    """
    a = np.asarray(a)
    if a.shape or a.dtype.kind not in "iu" or a.any():
        return a
    noise = hashlib.shake_128(seed.encode("utf-8", "surrogatepass")).digest(1)[0]
    return np.full((), 1 + noise % 3, a.dtype)


def _perturbed(
    a: AnyArray, seed: str, change: Callable[[AnyArray, AnyArray], AnyArray]
) -> AnyArray:
    a = np.asarray(a)
    if not is_inexact(a.dtype):
        return a
    out = np.empty(a.shape, a.dtype)
    flat = out.reshape(-1)
    part = part_dtype(a.dtype.newbyteorder("="))
    for number, (block,) in enumerate(blocks(a)):
        values = block.view(part)
        text = f"{seed}\0{block.dtype.name}\0{a.shape}\0{number}"
        stream = hashlib.shake_128(text.encode("utf-8", "surrogatepass"))
        noise = np.frombuffer(stream.digest(4 * values.size), "<u4")
        with np.errstate(all="ignore"):
            changed = np.where(np.isfinite(values), change(values, noise), values)
        flat[number * BLOCK : number * BLOCK + block.size] = changed.view(block.dtype)
    return out


def _jittered(values: AnyArray, noise: AnyArray) -> AnyArray:
    # Every step is one correctly rounded IEEE operation, so that no library or platform matters.
    # float32 to a smaller type rounds once; float64 to bfloat16 rounds twice in some versions.
    wide = values.astype(np.float32) if values.dtype.itemsize <= 4 else values
    size = ((_LEAST + noise % _SPAN).astype(np.float32) / np.float32(65536)).astype(wide.dtype)
    signed = np.where(noise >> 31, size, -size)
    zero = values == 0
    moved = np.where(zero, size, wide * (1 + signed)).astype(values.dtype)
    shrunk = (wide * (1 - size)).astype(values.dtype)
    moved = np.where(np.isfinite(moved), moved, shrunk)
    stuck = (moved == values) | (moved == 0) | ~np.isfinite(moved)
    unsigned = np.where(zero, np.zeros(1, values.dtype), values)
    return np.where(stuck, _neighbour_not_zero(unsigned), moved)


def _to_integers(values: AnyArray, noise: AnyArray) -> AnyArray:
    wide = values.astype(np.float32) if values.dtype.itemsize <= 4 else values
    size = (1 + noise % 3).astype(np.float32)
    size[size == np.abs(wide)] = 4
    return np.where(wide < 0, -size, size).astype(values.dtype)


def nudge(a: AnyArray, rng: np.random.Generator) -> AnyArray:
    """A copy of ``a``, every floating or complex value moved to the next one up or down.

    NaN and infinities stay, and a finite value stays finite. Zeros stay too: the number next to
    zero is subnormal, too small to show how an error grows, and structural zeros (padding, masks)
    are exact. Integers, booleans and everything else are returned as they are.
    """
    a = np.asarray(a)
    if not is_inexact(a.dtype):
        return a
    out = np.empty(a.shape, a.dtype)
    flat = out.reshape(-1)
    part = part_dtype(a.dtype.newbyteorder("="))
    for number, (block,) in enumerate(blocks(a)):
        values = block.view(part)
        away = rng.integers(0, 2, size=values.size, dtype=np.uint8).astype(bool)
        with np.errstate(all="ignore"):
            moved = neighbour(values, away)
            moved = np.where(np.isfinite(moved), moved, neighbour(values, ~away))
            moved = np.where(np.isfinite(values) & (values != 0), moved, values)
        flat[number * BLOCK : number * BLOCK + block.size] = moved.view(block.dtype)
    return out


def neighbour(values: AnyArray, away: AnyArray) -> AnyArray:
    """The next value of the dtype, away from zero or towards it.

    The dtypes of ml_dtypes are stepped through their bits: all are a sign and a magnitude that
    grows with its bits. At either end of the magnitudes the step goes the other way.
    """
    if values.dtype.num < _USER_DTYPE:
        goal = np.where(away, np.copysign(np.inf, values), 0).astype(values.dtype)
        return np.asarray(np.nextafter(values, goal))
    name = values.dtype.name
    match = re.search(r"\d+", name)
    width = int(match.group()) if match else 8 * values.dtype.itemsize
    top = (1 << width if name.endswith("fnu") else 1 << (width - 1)) - 1
    bits = values.view(f"u{values.dtype.itemsize}").astype(np.int32)
    step = np.where(away, 1, -1)
    beyond = (bits & top) + step
    step = np.where((beyond < 0) | (beyond > top), -step, step)
    return (bits + step).astype(f"u{values.dtype.itemsize}").view(values.dtype)


def _neighbour_not_zero(values: AnyArray) -> AnyArray:
    toward = neighbour(values, np.zeros(values.shape, bool))
    away = neighbour(values, np.ones(values.shape, bool))
    return np.where((toward == 0) | ~np.isfinite(toward), away, toward)


def draw(shape: Any, rng: np.random.Generator, dtype: Any = "float32") -> AnyArray:
    """An input of that shape: standard normal values pushed 0.05 away from zero, so never zero.

    Complex dtypes get such values in both parts, booleans either value, integers what
    ``draw_exact`` gives.
    """
    dtype = np.dtype(dtype)
    if not is_inexact(dtype):
        return draw_exact(shape, rng, dtype)

    def values() -> AnyArray:
        drawn = rng.standard_normal(shape)
        return np.asarray(drawn + np.copysign(0.05, drawn))

    return _filled(values, dtype)


def draw_exact(shape: Any, rng: np.random.Generator, dtype: Any = "float32") -> AnyArray:
    """An input of that shape: integers from 1 to 4 of either sign (unsigned ones positive).

    Booleans are either value; integers of one or two bits are 1.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, size=shape, dtype=np.uint8)).astype(dtype)
    if dtype.name in ("int1", "uint1", "int2", "uint2"):
        return np.ones(shape, dtype)
    signed = dtype.kind != "u" and "uint" not in dtype.name and not dtype.name.endswith("fnu")

    def values() -> AnyArray:
        sizes = rng.integers(1, 5, size=shape)
        signs = 2 * rng.integers(0, 2, size=shape) - 1
        return np.asarray(sizes * signs if signed else sizes, np.float64)

    if not is_inexact(dtype):
        return np.asarray(values()).astype(dtype)
    return _filled(values, dtype)


def _filled(values: Callable[[], AnyArray], dtype: np.dtype[Any]) -> AnyArray:
    """An array of what ``values()`` gives, once for each part, with 1 for what is lost in it."""
    part = part_dtype(dtype)
    parts = [values() for _ in range(dtype.itemsize // part.itemsize)]
    with np.errstate(all="ignore"):
        rounded = np.stack([p.astype(part) for p in parts], axis=-1)
        rounded = np.where((rounded == 0) | ~np.isfinite(rounded), np.ones(1, part), rounded)
    return np.ascontiguousarray(rounded).view(dtype)[..., 0]

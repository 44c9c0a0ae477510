"""Identity of arrays: the same bits, wherever they lie.

Written for Python 3.8 with NumPy 1.17 alone, like ``jitter``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.jitter import blocks, part_dtype

if TYPE_CHECKING:
    AnyArray = np.ndarray[Any, Any]


def same_bits(a: AnyArray, b: AnyArray) -> bool:
    """Whether two arrays have the same dtype, shape and bits.

    NaN payloads and the signs of zeros count. Memory order and byte order do not, nor do bits
    that carry no value (the padding of int4 and of long doubles).
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype.newbyteorder("=") != b.dtype.newbyteorder("="):
        return False
    return all(np.array_equal(_raw(left), _raw(right)) for left, right in blocks(a, b))


def digest_bits(a: AnyArray) -> str:
    """A digest of dtype and bits in C order, as ``same_bits`` sees them, without the shape.

    It finds an array again that was moved or reshaped. Not meant to be stored: it is taken in
    the byte order of the machine.
    """
    a = np.asarray(a)
    digest = hashlib.sha256(a.dtype.newbyteorder("=").name.encode())
    for (block,) in blocks(a):
        digest.update(_raw(block).data)
    return digest.hexdigest()


def _raw(block: AnyArray) -> AnyArray:
    """The bytes of a block that carry its values."""
    if block.dtype.kind == "V" and "int" in block.dtype.name:
        return block.astype(np.int8).view(np.uint8)
    data = block.view(np.uint8)
    part = part_dtype(block.dtype)
    if part == np.longdouble and np.finfo(part).nmant == 63:  # x87: 10 bytes, then padding
        data = np.ascontiguousarray(data.reshape(-1, part.itemsize)[:, :10])
    return data.reshape(-1)

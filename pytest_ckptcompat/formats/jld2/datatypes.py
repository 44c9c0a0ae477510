"""HDF5's descriptions of types (the datatype message)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_ckptcompat.formats.jld2.cursor import Cursor, damaged, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_NESTING = 50
_VERSIONS = (1, 2, 3, 4, 5)
_NAMES = (
    "int", "float", "time", "string", "bitfield", "opaque",
    "compound", "reference", "enum", "vlen", "array",
)  # fmt: skip

# Sign, exponent position and size, mantissa position and size, bias, by size in bytes.
_IEEE = {
    2: (15, 10, 5, 0, 10, 15),
    4: (31, 23, 8, 0, 23, 127),
    8: (63, 52, 11, 0, 52, 1023),
}


@dataclass(frozen=True)
class Member:
    name: str
    offset: int
    datatype: Datatype


@dataclass(frozen=True)
class Datatype:
    """``kind`` is ``int``, ``float``, ``bool``, ``string`` (of fixed size), ``text`` (of any
    size), ``opaque``, ``compound``, ``reference`` or ``vlen`` (of ``base``); ``size`` is in
    bytes. Numbers have a NumPy dtype, except 128-bit integers.
    """

    kind: str
    size: int
    dtype: np.dtype[Any] | None = None
    signed: bool = False
    big: bool = False
    members: tuple[Member, ...] = ()
    base: Datatype | None = None


def read_datatype(cursor: Cursor, nesting: int = 0) -> Datatype:
    start = cursor.at
    if nesting > _MAX_NESTING:
        raise unsupported(f"a type nested more than {_MAX_NESTING} deep", start)
    head, bits, size = cursor.uint(1), cursor.uint(3), cursor.uint(4)
    number, version = head & 15, head >> 4
    if version not in _VERSIONS or number >= len(_NAMES):
        raise damaged(f"there is no datatype of class {number}, version {version}", start)
    kind = _NAMES[number]
    if size == 0 and kind != "string":
        raise damaged(f"a datatype of class {kind} has no size", start)
    if kind == "string":
        return Datatype("string", size)
    if kind == "opaque":
        cursor.take(bits & 0xFF)
        return Datatype("opaque", size)
    if kind == "reference":
        if bits & 0xFF or size != 8:
            raise unsupported("a reference to a part of a dataset", start)
        return Datatype("reference", size)
    if kind == "vlen":
        base = read_datatype(cursor, nesting + 1)
        if size != 16:
            raise damaged(f"a datatype of variable length has {size} bytes", start)
        return Datatype("text" if bits & 15 == 1 else "vlen", size, base=base)
    if kind == "compound":
        members = _members(cursor, bits & 0xFFFF, version, size, nesting)
        return Datatype("compound", size, members=members)
    readers: dict[str, Callable[[Cursor, int, int, int], Datatype]] = {
        "int": _integer,
        "float": _floating,
        "bitfield": _bitfield,
    }
    if kind in readers:
        return readers[kind](cursor, bits, size, start)
    raise unsupported(f"a datatype of class {kind}", start)


def _integer(cursor: Cursor, bits: int, size: int, start: int) -> Datatype:
    signed, big = bool(bits & 8), bool(bits & 1)
    _check_bits(cursor, size, start)
    if bits & ~9 or size not in (1, 2, 4, 8, 16):
        raise unsupported(f"an integer of {size} bytes, flags {bits:#x}", start)
    name = f"{'>' if big else '<'}{'i' if signed else 'u'}{size}"
    dtype = np.dtype(name) if size < 16 else None
    return Datatype("int", size, dtype=dtype, signed=signed, big=big)


def _floating(cursor: Cursor, bits: int, size: int, start: int) -> Datatype:
    _check_bits(cursor, size, start)
    parts = tuple(cursor.uint(1) for _ in range(4))
    found = (bits >> 8 & 0xFF, *parts, cursor.uint(4))
    # Bits 4 and 5 say that the first bit of the mantissa is implied, 0 is the byte order.
    if _IEEE.get(size) != found or bits & 0xFF not in (0x20, 0x21):
        raise unsupported(f"a floating-point number of {size} bytes that is not IEEE 754's", start)
    return Datatype("float", size, dtype=np.dtype(f"{'>' if bits & 1 else '<'}f{size}"))


def _bitfield(cursor: Cursor, bits: int, size: int, start: int) -> Datatype:
    _check_bits(cursor, size, start)
    if bits or size != 1:
        raise unsupported(f"a bit field of {size} bytes", start)
    return Datatype("bool", 1, dtype=np.dtype(bool))


def _check_bits(cursor: Cursor, size: int, start: int) -> None:
    offset, precision = cursor.uint(2), cursor.uint(2)
    if offset or precision != 8 * size:
        raise unsupported(f"a number with padding bits, {precision} of {8 * size} used", start)


def _members(
    cursor: Cursor, count: int, version: int, size: int, nesting: int
) -> tuple[Member, ...]:
    if version < 3:
        raise unsupported(f"a compound datatype of version {version}", cursor.at)
    # As JLD2 has it. HDF5 writes 3 bytes where the size takes 3.
    width = 1 if size < 2**8 else 2 if size < 2**16 else 4
    members: dict[str, Member] = {}
    for _ in range(count):
        start = cursor.at
        name = cursor.string()
        offset = cursor.uint(width)
        datatype = read_datatype(cursor, nesting + 1)
        if offset + datatype.size > size or name in members:
            raise damaged(f"the field {name!r} does not fit into its compound datatype", start)
        members[name] = Member(name, offset, datatype)
    return tuple(members.values())

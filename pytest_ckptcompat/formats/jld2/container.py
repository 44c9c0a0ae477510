"""The structures of an HDF5 file, as far as JLD2 makes use of them, from its bytes.

Superblock version 2 or 3 after JLD2's text header, object headers of version 2, links kept in
the group's header, global heaps, and compact, contiguous or single-chunk data. Every header
carries a checksum, which is verified. Addresses count from the superblock.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_ckptcompat.formats import FormatError
from pytest_ckptcompat.formats.jld2.cursor import UNDEFINED, Cursor, damaged, unsupported
from pytest_ckptcompat.formats.jld2.datatypes import Datatype, read_datatype
from pytest_ckptcompat.formats.jld2.storage import Layout, read_filters, read_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

_TITLE = b"HDF5-based Julia Data Format, version "
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SUPERBLOCK = 512
_MAX_AXES = 32  # NumPy's, before 2.0

# Types of header messages.
_DATASPACE, _LINK_INFO, _DATATYPE, _LINK, _EXTERNAL = 0x01, 0x02, 0x03, 0x06, 0x07
_LAYOUT, _FILTERS, _ATTRIBUTE, _CONTINUATION, _SYMBOL_TABLE = 0x08, 0x0B, 0x0C, 0x10, 0x11
_ATTRIBUTE_INFO = 0x15
_IGNORED = {0x00, 0x04, 0x05, 0x0A, 0x0D, 0x0E, 0x12, 0x13, 0x14, 0x16}


@dataclass(frozen=True)
class Dataspace:
    """``kind`` is ``scalar``, ``simple`` or ``null``; ``axes`` are in the file's order."""

    kind: str
    axes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Attribute:
    """``datatype`` is a description, or the address of a committed one."""

    datatype: Datatype | int
    dataspace: Dataspace
    data: memoryview


@dataclass
class Header:
    """What the header of an object says: a group has links, a dataset a layout.

    ``start`` is where it stands in the file, for messages.
    """

    start: int
    dataspace: Dataspace | None = None
    datatype: Datatype | int | None = None
    layout: Layout | None = None
    filters: tuple[tuple[int, int], ...] = ()
    links: dict[str, int] = field(default_factory=dict)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    is_group: bool = False

    @property
    def is_committed_type(self) -> bool:
        return self.datatype is not None and self.layout is None and self.dataspace is None


class Container:
    def __init__(self, data: bytes) -> None:
        self.view = memoryview(data)
        _check_title(data)
        self.root = self._superblock()
        self._headers: dict[int, Header] = {}
        self._heaps: dict[int, dict[int, memoryview]] = {}
        # Headers and heaps do not overlap in a sound file; in one that was made to hang its
        # reader they may.
        self._budget = len(data)

    def _superblock(self) -> int:
        cursor = Cursor(self.view, _SUPERBLOCK, "superblock")
        cursor.take(8)
        version = cursor.uint(1)
        if version not in (2, 3):
            raise unsupported(f"a superblock of version {version}", _SUPERBLOCK)
        if cursor.uint(1) != 8 or cursor.uint(1) != 8:
            raise unsupported("addresses that do not have 8 bytes", _SUPERBLOCK)
        cursor.take(1)
        self._base = cursor.uint(8)
        cursor.take(8)
        end, root = cursor.uint(8), cursor.uint(8)
        if cursor.uint(4) != lookup3(self.view[_SUPERBLOCK : _SUPERBLOCK + 44]):
            raise damaged("the superblock does not match its checksum", _SUPERBLOCK)
        if end > len(self.view):
            raise damaged(f"the file has {len(self.view)} of its {end} bytes", len(self.view))
        return root

    def start(self, address: int) -> int:
        return self._base + address

    def position(self, address: int, size: int, what: str) -> int:
        """Where in the file an address is, having checked that ``size`` bytes follow it."""
        start = self.start(address)
        if address == UNDEFINED or start + size > len(self.view):
            raise damaged(f"{what} of {size} bytes lies outside the file", start)
        return start

    def header(self, address: int) -> Header:
        if address not in self._headers:
            header = Header(self.start(address))
            for kind, flags, body in self._messages(address):
                self._read_message(header, kind, flags, body)
            self._headers[address] = header
        return self._headers[address]

    def _messages(self, address: int) -> Iterator[tuple[int, int, Cursor]]:
        start = self.position(address, 8, "an object header")
        cursor = Cursor(self.view, start, "object header")
        if not cursor.found(b"OHDR") or cursor.uint(1) != 2:
            raise damaged("there is no object header of version 2", start)
        flags = cursor.uint(1)
        cursor.take((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
        size = cursor.uint(1 << (flags & 3))
        chunks = [(start, cursor.at, cursor.at + size)]
        while chunks:
            start, at, end = chunks.pop()
            self._verify(start, end)
            cursor = Cursor(self.view[:end], at, "object header")
            order_size = 2 if flags & 4 else 0
            # What is too short for another message is a gap.
            while cursor.at + 4 + order_size <= end:
                kind, length, message_flags = cursor.uint(1), cursor.uint(2), cursor.uint(1)
                cursor.take(order_size)
                body = cursor.part(length, "header message")
                if kind == _CONTINUATION:
                    chunks.append(self._continuation(body))
                else:
                    yield kind, message_flags, body

    def _continuation(self, body: Cursor) -> tuple[int, int, int]:
        address, size = body.uint(8), body.uint(8)
        start = self.position(address, size, "a continued object header")
        if size < 8 or not Cursor(self.view, start, "object header").found(b"OCHK"):
            raise damaged("an object header is not continued where it says", start)
        return start, start + 4, start + size - 4

    def _verify(self, start: int, end: int) -> None:
        if end + 4 > len(self.view):
            raise damaged("an object header goes beyond the end of the file", start)
        self._spend(end - start, start)
        if int.from_bytes(self.view[end : end + 4], "little") != lookup3(self.view[start:end]):
            raise damaged("an object header does not match its checksum", start)

    def _spend(self, size: int, start: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise damaged("structures overlap", start)

    def _read_message(self, header: Header, kind: int, flags: int, body: Cursor) -> None:
        if kind == _DATASPACE:
            header.dataspace = _read_dataspace(body)
        elif kind == _DATATYPE:
            header.datatype = _read_shared(body) if flags & 2 else read_datatype(body)
        elif kind == _LAYOUT:
            header.layout = read_layout(body)
        elif kind == _FILTERS:
            header.filters = read_filters(body)
        elif kind == _ATTRIBUTE:
            name, attribute = _read_attribute(body)
            header.attributes[name] = attribute
        elif kind == _LINK:
            header.is_group = True
            name, address = _read_link(body)
            header.links[name] = address
        elif kind == _LINK_INFO:
            header.is_group = True
            _refuse_heap(body, 8, "a group whose links are in a fractal heap")
        elif kind == _ATTRIBUTE_INFO:
            _refuse_heap(body, 2, "attributes in a fractal heap")
        elif kind in (_SYMBOL_TABLE, _EXTERNAL):
            raise unsupported("a group of HDF5 1.6 or data in another file", body.at)
        elif kind not in _IGNORED and flags & 0x88:
            raise unsupported(f"a header message of type {kind:#x}", body.at)

    def heap_object(self, address: int, index: int, what: str) -> memoryview:
        """One object of a global heap."""
        if address not in self._heaps:
            self._heaps[address] = dict(self._heap_objects(address))
        found = self._heaps[address].get(index)
        if found is None:
            raise damaged(f"{what} is missing from its global heap", self.start(address))
        return found

    def _heap_objects(self, address: int) -> Iterator[tuple[int, memoryview]]:
        start = self.position(address, 16, "a global heap")
        cursor = Cursor(self.view, start, "global heap")
        if not cursor.found(b"GCOL") or cursor.uint(1) != 1:
            raise damaged("there is no global heap of version 1", start)
        cursor.take(3)
        size = cursor.uint(8)
        end = self.position(address, size, "a global heap") + size
        self._spend(size, start)
        while cursor.at + 16 <= end:
            index = cursor.uint(2)
            cursor.take(6)
            length = cursor.uint(8)
            if index == 0:
                return
            if length > end - cursor.at:
                raise damaged("an object of a global heap does not fit into it", cursor.at)
            yield index, cursor.take(length)
            cursor.take(min(-length % 8, end - cursor.at))


def _check_title(data: bytes) -> None:
    if data.startswith(_TITLE):
        version = re.match(rb"(\d+)\.\d+", data[len(_TITLE) : len(_TITLE) + 12])
        if version is None or version[1] != b"0":
            text = data[len(_TITLE) :].split(b"\0")[0][:12].decode("ascii", "replace")
            raise unsupported(f"version {text} of the format", len(_TITLE))
        if len(data) < _SUPERBLOCK + 48:
            raise damaged("the file ends within its head", len(data))
        if data[_SUPERBLOCK : _SUPERBLOCK + 8] != _SIGNATURE:
            raise damaged("HDF5's signature is not there", _SUPERBLOCK)
        return
    if not data:
        found = "it is empty"
    elif _TITLE.startswith(data):
        found = "it ends within its first line"
    elif data.startswith(_SIGNATURE):
        found = "it is an HDF5 file that JLD2 did not write"
    elif data.startswith(b"version https://git-lfs"):
        found = "it is a Git LFS pointer (fetch the file with: git lfs pull)"
    else:
        found = f"it does not begin with {_TITLE.decode()!r}"
    raise FormatError(f"not a JLD2 file: {found}")


def _read_dataspace(cursor: Cursor) -> Dataspace:
    start = cursor.at
    version, rank, flags, kind = (cursor.uint(1) for _ in range(4))
    if version == 1:
        cursor.take(4)
        kind = 1 if rank else 0
    elif version != 2:
        raise unsupported(f"a dataspace of version {version}", start)
    if kind > 2 or rank > _MAX_AXES or flags & ~1:
        raise unsupported(f"a dataspace of type {kind} with {rank} axes", start)
    axes = tuple(cursor.uint(8) for _ in range(rank))
    return Dataspace(("scalar", "simple", "null")[kind], axes)


def _read_shared(cursor: Cursor) -> int:
    """The address of a committed datatype."""
    version, kind = cursor.uint(1), cursor.uint(1)
    if version not in (2, 3) or (version == 3 and kind != 2):
        raise unsupported(f"a shared header message of version {version}", cursor.at)
    return cursor.uint(8)


def _read_attribute(cursor: Cursor) -> tuple[str, Attribute]:
    start = cursor.at
    version, flags = cursor.uint(1), cursor.uint(1)
    if version not in (2, 3) or flags & ~1:
        raise unsupported(f"an attribute of version {version}, flags {flags:#x}", start)
    name_size, type_size, space_size = cursor.uint(2), cursor.uint(2), cursor.uint(2)
    if version == 3:
        cursor.take(1)
    name = cursor.part(name_size, "name of an attribute").string()
    described = cursor.part(type_size, "datatype of an attribute")
    datatype = _read_shared(described) if flags & 1 else read_datatype(described)
    dataspace = _read_dataspace(cursor.part(space_size, "dataspace of an attribute"))
    return name, Attribute(datatype, dataspace, cursor.take(cursor.left))


def _read_link(cursor: Cursor) -> tuple[str, int]:
    start = cursor.at
    version, flags = cursor.uint(1), cursor.uint(1)
    if version != 1:
        raise unsupported(f"a link of version {version}", start)
    if flags & 8 and cursor.uint(1) != 0:
        raise unsupported("a soft, external or user-defined link", start)
    cursor.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    size = cursor.uint(1 << (flags & 3))
    name = cursor.text(size)
    return name, cursor.uint(8)


def _refuse_heap(cursor: Cursor, order_size: int, what: str) -> None:
    start = cursor.at
    cursor.take(1)
    cursor.take(order_size if cursor.uint(1) & 1 else 0)
    if cursor.uint(8) != UNDEFINED:
        raise unsupported(what, start)


def lookup3(data: bytes | memoryview) -> int:
    """Bob Jenkins' lookup3 of the bytes, from 0: the checksum of HDF5's structures."""
    mask = 0xFFFFFFFF
    size = len(data)
    a = b = c = (0xDEADBEEF + size) & mask
    x: int
    y: int
    z: int
    if not size:
        return c
    whole = (size - 1) // 12
    for x, y, z in struct.iter_unpack("<3I", data[: whole * 12]):
        a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
        a = (a - c & mask) ^ ((c << 4) & mask | c >> 28)
        c = c + b & mask
        b = (b - a & mask) ^ ((a << 6) & mask | a >> 26)
        a = a + c & mask
        c = (c - b & mask) ^ ((b << 8) & mask | b >> 24)
        b = b + a & mask
        a = (a - c & mask) ^ ((c << 16) & mask | c >> 16)
        c = c + b & mask
        b = (b - a & mask) ^ ((a << 19) & mask | a >> 13)
        a = a + c & mask
        c = (c - b & mask) ^ ((b << 4) & mask | b >> 28)
        b = b + a & mask
    x, y, z = struct.unpack("<3I", bytes(data[whole * 12 :]).ljust(12, b"\0"))
    a, b, c = (a + x) & mask, (b + y) & mask, (c + z) & mask
    c = (c ^ b) - ((b << 14) & mask | b >> 18) & mask
    a = (a ^ c) - ((c << 11) & mask | c >> 21) & mask
    b = (b ^ a) - ((a << 25) & mask | a >> 7) & mask
    c = (c ^ b) - ((b << 16) & mask | b >> 16) & mask
    a = (a ^ c) - ((c << 4) & mask | c >> 28) & mask
    b = (b ^ a) - ((a << 14) & mask | a >> 18) & mask
    return (c ^ b) - ((b << 24) & mask | b >> 8) & mask
